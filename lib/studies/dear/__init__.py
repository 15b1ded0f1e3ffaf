"""Dear copies: each chosen copy is checked by a person, and the learners are not trained in epochs."""
