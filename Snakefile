# The batch: every notebook of every study as one papermill run. `make run`, `make study NAME=...`, `make studies`.
# A job runs again only if its notebook, its parameters, the code that it calls or what it reads from upstream changed.
import os

from influaug import paths, study
from influaug.artifacts import modules_of

# Jobs share the cores, so each computes on one; only the training of networks takes what it finds.
shell.prefix("export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1; ")

STUDIES = config.get("studies", "digits-translate digits-rotate digits-crop").split()
OUTPUTS = os.path.relpath(paths.outputs(), paths.PROJECT)
FOLDER = f"{OUTPUTS}/{{study}}"

# notebook: (what it reads from upstream, modules that it calls, what it makes)
STAGES = {
    "01_featurize": ([], ["data", "transformations", "featurizers"], ["features.json"]),
    "02_score": (["features.json"], ["scores", "sweep"], ["scores.parquet"]),
    "03_policy_sweep": (["features.json"], ["sweep", "retrained"], ["sweep.parquet", "summary.json", "curve.png"]),
    "04_refinements": (["sweep.parquet"], ["summary"], []),
    "05_vsv": (["sweep.parquet"], ["vsv"], ["vsv.parquet"]),
}
# Notebooks over all studies; they run with the first study's parameters.
OVERVIEWS = ["06_figures", "08_claims", "00_index"]


def code(*modules):
    return [str(path) for path in modules_of(*(f"influaug.{module}" for module in modules))]


def trained_network(wildcards):
    """The file of the network that a study names, if it names one."""
    found = study.read(paths.PARAMS / f"{wildcards.study}.yaml").trained_network
    return [os.path.relpath(found, paths.PROJECT)] if found else []


wildcard_constraints:
    study=r"[A-Za-z0-9_.-]+",


localrules:
    site,


rule site:
    input:
        expand(f"{FOLDER}/pages/{{stage}}.html", study=STUDIES, stage=STAGES),
        expand(f"{OUTPUTS}/pages/{{overview}}.html", overview=OVERVIEWS),
    message:
        "all studies: index page"
    shell:
        f"python -m influaug.pages {OUTPUTS}"


for stage, (reads, modules, makes) in STAGES.items():

    rule:
        name:
            stage
        input:
            [f"{FOLDER}/{file}" for file in reads],
            code(*modules),
            ["lib/influaug/stages.py", "lib/influaug/study.py"],
            trained_network,
            notebook=f"notebooks/{stage}.ipynb",
            params="params/{study}.yaml",
        output:
            [f"{FOLDER}/{file}" for file in makes],
            page=f"{FOLDER}/pages/{stage}.html",
        log:
            notebook=f"{FOLDER}/notebooks/{stage}.ipynb",
        message:
            f"{{wildcards.study}}: {stage}"
        shell:
            "python -m influaug.run {input.notebook} {input.params} --executed {log.notebook} --page {output.page}"


for overview in OVERVIEWS:

    rule:
        name:
            overview
        input:
            expand(f"{FOLDER}/sweep.parquet", study=STUDIES),
            expand(f"{FOLDER}/vsv.parquet", study=STUDIES),
            code("published", "figures", "claims"),
            notebook=f"notebooks/{overview}.ipynb",
            params=f"params/{STUDIES[0]}.yaml",
        output:
            page=f"{OUTPUTS}/pages/{overview}.html",
        log:
            notebook=f"{OUTPUTS}/notebooks/{overview}.ipynb",
        message:
            f"all studies: {overview}"
        shell:
            "python -m influaug.run {input.notebook} {input.params} --executed {log.notebook} --page {output.page}"
