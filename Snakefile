# The batch: every notebook of every study as one papermill run. `make run`, `make study NAME=...`, `make studies`.
# A job runs again only if its notebook, its parameters, the code that it calls or what it reads from upstream changed.
import os

from influaug import paths, stamps
from influaug.fingerprints import modules_below
from influaug.study import Study

# Jobs share the cores, so each computes on one; only the training of networks takes what it finds.
shell.prefix("export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1; ")

STUDIES = config.get("studies", "digits-translate digits-rotate digits-crop").split()
OUTPUTS = os.path.relpath(paths.outputs(), paths.PROJECT)
FOLDER = f"{OUTPUTS}/{{study}}"

# notebook: (notebooks whose files it reads, modules that it calls, what it makes)
STAGES = {
    "01_featurize": ([], ["data", "transformations", "featurizers"], ["features.json"]),
    "02_score": (["01_featurize"], ["scores", "sweep"], ["scores.parquet"]),
    "03_policy_sweep": (["01_featurize"], ["sweep", "retrained"], ["sweep.parquet", "summary.json", "curve.png"]),
    "04_refinements": (["03_policy_sweep"], ["summary"], []),
    "05_vsv": (["03_policy_sweep"], ["vsv"], ["vsv.parquet"]),
}
# Notebooks over all studies; they run with the first study's parameters.
OVERVIEWS = ["06_figures", "08_claims", "00_index"]


def code(*modules):
    return [str(path) for path in modules_below(*(f"influaug.{module}" for module in modules))]


def trained_network(wildcards):
    """The file of the network that a study names, if it names one."""
    found = Study.read(paths.PARAMS / f"{wildcards.study}.yaml").trained_network
    return [os.path.relpath(found, paths.PROJECT)] if found else []


def stamp(stage, folder=FOLDER):
    """The file that says that a notebook ended well; see influaug.stamps for why the files it makes are no outputs."""
    return f"{folder}/.made/{stage}"


for folder in [f"{OUTPUTS}/{one}" for one in STUDIES]:
    for stage, (_, _, makes) in STAGES.items():
        stamps.drop_outdated(stamp(stage, folder), [f"{folder}/{file}" for file in makes])


wildcard_constraints:
    study=r"[A-Za-z0-9_.-]+",


localrules:
    site,


rule site:
    input:
        expand([stamp("{stage}"), f"{FOLDER}/pages/{{stage}}.html"], study=STUDIES, stage=STAGES),
        expand([stamp("{overview}", OUTPUTS), f"{OUTPUTS}/pages/{{overview}}.html"], overview=OVERVIEWS),
    message:
        "all studies: index page"
    shell:
        f"python -m influaug.pages {OUTPUTS}"


for stage, (reads, modules, makes) in STAGES.items():

    rule:
        name:
            stage
        input:
            [stamp(read) for read in reads],
            code(*modules),
            ["lib/influaug/stages.py", "lib/influaug/study.py"],
            trained_network,
            notebook=f"notebooks/{stage}.ipynb",
            params="params/{study}.yaml",
        output:
            stamp=stamp(stage),
            page=f"{FOLDER}/pages/{stage}.html",
        params:
            makes=[f"{FOLDER}/{file}" for file in makes],
        log:
            notebook=f"{FOLDER}/notebooks/{stage}.ipynb",
        message:
            f"{{wildcards.study}}: {stage}"
        shell:
            "python -m influaug.run {input.notebook} {input.params} --executed {log.notebook} --page {output.page} "
            "--stamp {output.stamp} --makes {params.makes}"


for overview in OVERVIEWS:

    rule:
        name:
            overview
        input:
            expand([stamp("03_policy_sweep"), stamp("05_vsv")], study=STUDIES),
            code("published", "figures", "claims"),
            notebook=f"notebooks/{overview}.ipynb",
            params=f"params/{STUDIES[0]}.yaml",
        output:
            stamp=stamp(overview, OUTPUTS),
            page=f"{OUTPUTS}/pages/{overview}.html",
        log:
            notebook=f"{OUTPUTS}/notebooks/{overview}.ipynb",
        message:
            f"all studies: {overview}"
        shell:
            "python -m influaug.run {input.notebook} {input.params} --executed {log.notebook} --page {output.page} "
            "--stamp {output.stamp}"
