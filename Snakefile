# The batch: every notebook of every study as one papermill run. `make run`, `make study NAME=...`, `make studies`.
# A job runs again only if its notebook, its parameters, the code that it calls or what it reads from upstream changed.
import os

from studies.commands import stamps
from studies.points.study import Study
from studies.storage import paths
from studies.storage.fingerprints import modules_below

# Jobs share the cores, so each computes on one; only the training of networks takes what it finds.
shell.prefix("export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1; ")

STUDIES = str(config.get("studies", "digits-translate digits-rotate digits-crop")).split()
# Snakemake reads braces in the name of a file as wildcards and has no way to quote them. The outputs folder, which may be
# called anything, is therefore where it works, so that its name is in none.
OUTPUTS = paths.outputs().absolute()
os.environ["INFLUAUG_OUTPUTS"] = str(OUTPUTS)
FOLDER = "{study}"


workdir:
    str(OUTPUTS)


# notebook: (notebooks whose files it reads, modules that it calls, what it makes)
DATA = ["influaug.data.datasets", "influaug.data.transformations", "influaug.networks.featurizer"]
SWEEP = ["studies.points.sweep", "studies.points.retrained"]
STAGES = {
    "01_featurize": ([], DATA, ["features.json"]),
    "02_score": (["01_featurize"], ["influaug.selection.scores", "studies.points.sweep"], ["scores.parquet"]),
    "03_policy_sweep": (["01_featurize"], SWEEP, ["sweep.parquet", "summary.json", "curve.png"]),
    "04_refinements": (["03_policy_sweep"], ["studies.points.summary"], []),
    "05_vsv": (["03_policy_sweep"], ["studies.points.support_vectors"], ["vsv.parquet"]),
}
# Notebooks over all studies; they run with the first study's parameters.
OVERVIEWS = ["06_figures", "08_claims", "00_index"]


def code(*modules):
    return [str(path) for path in modules_below(*modules, "studies.points.stages")]


def trained_network(wildcards):
    """The file of the network that a study names, if it names one."""
    found = Study.read(paths.PARAMS / f"{wildcards.study}.yaml").trained_network
    return [str(found.absolute())] if found else []


def stamp(stage, folder=FOLDER):
    """The file that says that a notebook ended well; studies.commands.stamps says why its tables are not outputs here."""
    return f"{folder}/.made/{stage}" if folder else f".made/{stage}"


for folder in STUDIES:
    for stage, (_, _, makes) in STAGES.items():
        stamps.drop_outdated(stamp(stage, folder), [f"{folder}/{file}" for file in makes])
for overview in OVERVIEWS:
    stamps.drop_outdated(stamp(overview, ""), [])


wildcard_constraints:
    study=r"[A-Za-z0-9_.-]+",


localrules:
    site,


rule site:
    input:
        expand([stamp("{stage}"), f"{FOLDER}/pages/{{stage}}.html"], study=STUDIES, stage=STAGES),
        expand([stamp("{overview}", ""), "pages/{overview}.html"], overview=OVERVIEWS),
    message:
        "all studies: index page"
    shell:
        "python -m studies index ."


for stage, (reads, modules, makes) in STAGES.items():

    rule:
        name:
            stage
        input:
            [stamp(read) for read in reads],
            code(*modules),
            trained_network,
            notebook=f"{paths.NOTEBOOKS}/{stage}.ipynb",
            params=f"{paths.PARAMS}/{{study}}.yaml",
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
            "python -m studies run {input.notebook:q} {input.params:q} --executed {log.notebook:q} "
            "--page {output.page:q} --stamp {output.stamp:q} --makes {params.makes:q}"


for overview in OVERVIEWS:

    rule:
        name:
            overview
        input:
            expand([stamp("03_policy_sweep"), stamp("05_vsv")], study=STUDIES),
            code("studies.points.table_one", "studies.points.figures", "studies.points.claims"),
            notebook=f"{paths.NOTEBOOKS}/{overview}.ipynb",
            params=f"{paths.PARAMS}/{STUDIES[0]}.yaml",
        output:
            stamp=stamp(overview, ""),
            page=f"pages/{overview}.html",
        log:
            notebook=f"notebooks/{overview}.ipynb",
        message:
            f"all studies: {overview}"
        shell:
            "python -m studies run {input.notebook:q} {input.params:q} --executed {log.notebook:q} "
            "--page {output.page:q} --stamp {output.stamp:q}"
