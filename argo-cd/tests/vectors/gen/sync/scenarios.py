#!/usr/bin/env python3
"""Writes sync scenarios for the oracle: those of upstream's own tests by name, and N made up ones (seeded)."""

import json
import random
import sys

VERSIONS = {"Job": "batch/v1", "Deployment": "apps/v1", "Role": "rbac.authorization.k8s.io/v1", "ClusterRole": "rbac.authorization.k8s.io/v1"}
CLUSTER = {"Namespace", "ClusterRole"}
HEALTHY = {
    "Job": {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1},
    "Pod": {"phase": "Succeeded"},
    "Deployment": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
}
FAILED = {
    "Job": {"conditions": [{"type": "Failed", "status": "True", "message": "it broke"}], "failed": 1},
    "Pod": {"phase": "Failed", "message": "it broke"},
    "Deployment": {"observedGeneration": 1, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]},
}


def obj(kind, name, value="1", wave=None, hook=None, policy=None, options=None, generate=False):
    meta = {"generateName" if generate else "name": name + "-" if generate else name}
    if kind not in CLUSTER:
        meta["namespace"] = "dest"
    notes = {}
    if wave is not None:
        notes["argocd.argoproj.io/sync-wave"] = str(wave)
    if hook:
        notes["argocd.argoproj.io/hook"] = hook
    if policy:
        notes["argocd.argoproj.io/hook-delete-policy"] = policy
    if options:
        notes["argocd.argoproj.io/sync-options"] = options
    if notes:
        meta["annotations"] = notes
    it = {"apiVersion": VERSIONS.get(kind, "v1"), "kind": kind, "metadata": meta}
    if kind in ("ConfigMap",):
        it["data"] = {"value": value}
    if kind in ("Deployment",):
        it["metadata"]["generation"] = 1
        it["spec"] = {"replicas": 1}
    if kind == "Pod":
        it["spec"] = {"restartPolicy": "Never"}
    return it


def cm(name, value="1", **more):
    return obj("ConfigMap", name, value, **more)


def job(name, hook=None, **more):
    return obj("Job", name, hook=hook, **more)


def ends(objects, failing=(), waiting=()):
    found = {}
    for it in objects:
        name = it["metadata"].get("name") or it["metadata"]["generateName"][:-1]
        kind = it["kind"]
        if kind in HEALTHY and name not in waiting:
            found[f"{kind}/{name}"] = (FAILED if name in failing else HEALTHY)[kind]
    return found


def case(name, targets, failing=(), waiting=(), **more):
    return {"name": name, "targets": targets, "outcomes": ends(targets, failing, waiting), **more}


def named():
    yield case("nothing", [])
    yield case("create in order", [obj("Pod", "p"), obj("Service", "s"), obj("ServiceAccount", "a"), cm("c")])
    yield case("successfully, with a deletion", [obj("Service", "new")], before=[cm("old")], prune=True)
    yield case("several steps", [obj("Deployment", "one", wave=-1), obj("Deployment", "two", wave=3), cm("c")])
    for wave in (None, 0, 1):
        yield case(f"a resource that never gets well, wave {wave}", [obj("Deployment", "one", wave=0), obj("Deployment", "two", wave=wave)], waiting=["one"])
    yield case("delete", [], before=[cm("a"), cm("b")], prune=True)
    yield case("create fails", [cm("bad"), cm("good")], failures=["ConfigMap/bad"])
    for confirmed in (False, True):
        yield case(f"only what is out of sync, confirmed {confirmed}", [cm("a"), cm("b", "2")], before=[cm("a"), cm("b"), cm("c")], prune=True, options=["ApplyOutOfSyncOnly=true"], confirmed=confirmed)
    yield case("no prune", [cm("a")], before=[cm("a"), cm("b")])
    yield case("never prune by application", [], before=[cm("a")], prune=True, options=["Prune=false"])
    yield case("prune in spite of the application", [], before=[cm("a", options="Prune=true"), cm("b")], prune=True, options=["Prune=false"])
    yield case("never prune by resource", [], before=[cm("a", options="Prune=false")], prune=True)
    for confirmed in (False, True):
        yield case(f"confirm by resource {confirmed}", [], before=[cm("a", options="Prune=confirm"), cm("b")], prune=True, confirmed=confirmed)
        yield case(f"confirm by application {confirmed}", [cm("new")], before=[cm("a"), cm("b")], prune=True, confirmed=confirmed, options=["Prune=confirm"])
    yield case("replace", [cm("a", "2", options="Replace=true"), cm("b", "2")], before=[cm("a"), cm("b")])
    yield case("replace all", [cm("a", "2"), cm("b", "2")], before=[cm("a"), cm("b")], options=["Replace=true"])
    yield case("selective", [cm("a"), cm("b"), job("h", "PreSync")], resources=[{"group": "", "kind": "ConfigMap", "name": "b"}])
    yield case("unnamed hooks", [job("mig", "PreSync", generate=True), job("mig", "PostSync", generate=True), cm("a")])
    yield case("a hook in two phases", [job("h", "PreSync,PostSync"), cm("a")])
    yield case("a namespace of an object", [obj("Namespace", "dest", wave=3), cm("a")])
    yield case("sync fail hook, no failure", [cm("a"), job("alarm", "SyncFail"), job("h", "Sync")])
    for policy in (None, "HookSucceeded", "HookFailed", "BeforeHookCreation", "HookSucceeded,HookFailed"):
        for failing in ([], ["h"], ["h", "alarm"], ["alarm"]):
            yield case(f"hooks {policy} {failing}", [cm("a"), job("h", "Sync", policy=policy), job("alarm", "SyncFail", policy=policy), job("other", "PreSync", policy=policy)], failing=failing)
        yield case(f"hook that is left over {policy}", [cm("a"), job("h", "PreSync", policy=policy)], leftover=[job("h", "PreSync", policy=policy)])
        yield case(f"apply failed with hooks {policy}", [cm("a"), job("h", "Sync", policy=policy), job("alarm", "SyncFail", policy=policy)], failures=["ConfigMap/a"])
        yield case(f"hook refused {policy}", [cm("a"), job("h", "Sync", policy=policy), job("alarm", "SyncFail", policy=policy)], failures=["Job/h"])
        yield case(f"pre-sync hook refused {policy}", [cm("a"), job("h", "PreSync", policy=policy), job("alarm", "SyncFail", policy=policy)], failures=["Job/h"])
        yield case(f"alarm refused {policy}", [cm("a"), job("h", "PreSync", policy=policy), job("alarm", "SyncFail", policy=policy)], failing=["h"], failures=["Job/alarm"])
        yield case(f"another wave after hooks {policy}", [cm("a", wave=1), cm("b", wave=2), job("h", "Sync", policy=policy, wave=1), job("k", "Sync", policy=policy, wave=2), job("after", "PostSync", policy=policy)])
        for ended in (True, False):
            yield case(f"terminate {policy} ended {ended}", [cm("a", wave=1), job("h", "PreSync", policy=policy), job("k", "Sync", policy=policy)], waiting=[] if ended else ["h", "k"], terminate=1)
        yield case(f"terminate in the second wave {policy}", [cm("a", wave=1), job("h", "PreSync", policy=policy), job("k", "Sync", policy=policy)], terminate=3, waiting=["k"])
    yield case("prune last", [cm("new", wave=7)], before=[cm("a"), cm("b", options="PruneLast=true"), cm("c", wave=3)], prune=True)
    yield case("prune all last", [cm("new", wave=7), cm("n2", wave=-3)], before=[cm("a"), cm("b"), cm("c", wave=3)], prune=True, options=["PruneLast=true"])
    waves = [[0, 1, 2, 3, 4, 5, 6], [5, 5, 5], [-3, 0, 3], [1, 2], [-1, -1, 4, 4, 8]]
    for list_ in waves:
        before = [cm(f"c{i}", wave=w) for i, w in enumerate(list_)]
        yield case(f"prune waves {list_}", [], before=before, prune=True)
        yield case(f"prune waves beside others {list_}", [cm("x", wave=2), cm("y", wave=4)], before=before, prune=True)
        yield case(f"prune waves that are slow {list_}", [cm("x", wave=2)], before=before, prune=True, sticky=[f"ConfigMap/c{i}" for i in range(len(list_))])
    yield case("dry run", [cm("a"), job("h", "PreSync"), cm("b", "2")], before=[cm("b"), cm("c")], dryRun=True, prune=True)
    yield case("without hooks", [cm("a"), job("h", "PreSync")], apply=True)
    yield case("a skipped one", [cm("a", hook="Skip"), cm("b")])
    yield case("garbage as a hook", [cm("a", hook="Garbage"), cm("b")])
    yield case("hooks without health", [cm("a", hook="PreSync"), cm("b"), cm("c", hook="PostSync", policy="HookSucceeded")])


def made(seed):
    r = random.Random(seed)
    kinds = ["ConfigMap"] * 4 + ["Secret", "ServiceAccount", "Service", "Deployment", "Job", "ClusterRole"]

    def wave():
        return r.choice([None, None, -2, -1, 0, 1, 2])

    plain, hooks, before, leftover = [], [], [], []
    for i in range(r.randint(0, 5)):
        kind = r.choice(kinds)
        options = r.choice([None] * 6 + ["Replace=true", "PruneLast=true", "Prune=false"])
        it = obj(kind, f"o{i}", r.choice("12"), wave=wave(), options=options)
        plain.append(it)
        if kind == "ConfigMap" and r.random() < 0.4:
            old = json.loads(json.dumps(it))
            old["data"]["value"] = r.choice("12")
            before.append(old)
    for i in range(r.randint(0, 4)):
        if r.random() < 0.7:
            before.append(cm(f"old{i}", wave=wave(), options=r.choice([None] * 5 + ["Prune=false", "PruneLast=true", "Prune=confirm"])))
    for i in range(r.choice([0, 0, 1, 2, 3])):
        kind = r.choice(["Job", "Job", "Pod", "ConfigMap"])
        types = r.choice(["PreSync", "Sync", "PostSync", "SyncFail", "PreSync,PostSync", "Sync,SyncFail", "PreSync"])
        policy = r.choice([None, "HookSucceeded", "HookFailed", "BeforeHookCreation", "HookSucceeded,HookFailed", "BeforeHookCreation,HookSucceeded"])
        hook = obj(kind, f"h{i}", wave=wave(), hook=types, policy=policy, generate=kind == "Job" and r.random() < 0.1)
        hooks.append(hook)
        if "generateName" not in hook["metadata"] and r.random() < 0.15:
            leftover.append(hook)
    targets = plain + hooks
    r.shuffle(targets)
    names = [it["metadata"].get("name") or it["metadata"]["generateName"][:-1] for it in targets]
    failing = [it for it in names if r.random() < 0.12]
    waiting = [it for it in names if r.random() < 0.06]
    it = case(f"made {seed}", targets, failing, waiting, before=before, leftover=leftover, prune=r.random() < 0.8)
    refused = [f"{t['kind']}/{n}" for t, n in zip(targets, names) if r.random() < 0.06]
    it["failures"] = refused
    it["sticky"] = [f"ConfigMap/{b['metadata']['name']}" for b in before if b["metadata"]["name"].startswith("old") and r.random() < 0.2]
    it["options"] = [o for o in ["ApplyOutOfSyncOnly=true", "PruneLast=true", "Replace=true"] if r.random() < 0.1]
    if r.random() < 0.04:
        it["options"].append(r.choice(["Prune=false", "Prune=confirm"]))
    it["dryRun"], it["apply"], it["confirmed"] = r.random() < 0.04, r.random() < 0.05, r.random() < 0.5
    if it["dryRun"]:
        # upstream's dry run deletes hooks that were left over and waits for confirmations
        it["leftover"], it["confirmed"] = [], True
    if r.random() < 0.06 and targets:
        chosen = r.choice(targets)
        it["resources"] = [{"group": "batch" if chosen["kind"] == "Job" else "", "kind": chosen["kind"], "name": chosen["metadata"].get("name", "")}]
    if r.random() < 0.06:
        it["terminate"] = r.randint(1, 3)
    return it


if __name__ == "__main__":
    for it in list(named()) + [made(seed) for seed in range(int(sys.argv[1]))]:
        print(json.dumps({k: v for k, v in it.items() if v or k == "targets"}))
