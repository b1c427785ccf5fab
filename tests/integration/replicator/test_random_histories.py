"""Story of replicator/replicate.py, replicator/plan.py and replicator/apply.py.

Random histories of a mount, of changes by hand in Secrets Manager, and of failures (all of `replicator`).

A fixed set of histories is run by default. BEANVAULT_HISTORIES=500 draws that many new ones, as a nightly run
does.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import hvac
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from beanvault.vault.mounts import enable_kv2
from replicator.aws import Clients
from replicator.changes import Applied, Delete
from replicator.config import Config
from replicator.contract.events import ReplicationRequest
from replicator.contract.mounts import Mount
from replicator.contract.summary import Count
from replicator.errors import UnsafePlan
from replicator.replicate import RunClock
from replicator.report import RunReport
from replicator.run import run
from replicator.vault import Timeouts
from testbed.servers.proxy import FORWARD, Proxy, ProxyAnswer

from .support_bad_days import doing
from .support_faults import AWS_FAULTS, VAULT_FAULTS, bad_day, retry_at_once
from .support_oracle import Claim, Claims, Expected, Place, Rules, ask, encoded, expect, identity, rendered
from .support_target import OWNER, SOURCE, StoredSecret, entries, read_secrets

BESIDE = "-beside"
PLACES = (*map(Place, ("db", "app/db", "deep/er/down", "odd name: é=1")), Place("db", BESIDE))
"""The last one, in a second mount, claims the name that the first one has."""
ALIASES = ("db", "app/shared")
NAMES = tuple(sorted({*(encoded(place.path) for place in PLACES), *ALIASES}))
PERSONS_TAG = {"Key": "cost-center", "Value": "4711"}
USERS_TAGS = ("team", "tier")
STEPS_BETWEEN_RUNS = 4
IN_MID_RUN = "a write in mid-run"
EVERYTHING = {
    IN_MID_RUN,
    *("Create", "Update", "MoveStage", "Restore", "Adopt", "Retag", "Delete", "Conflict", "Refuse", "Skip"),
    *("UnsafePlan", "ValueRefused", "TargetUnavailable", "SourceUnavailable"),
    *("PutSecretValue", "UpdateSecretVersionStage", "TagResource", "UntagResource"),
}
"""What has to happen in the histories; else they prove nothing about it."""
WRITES = ("Create", "Put", "Update", "Tag", "Untag", "Restore", "Delete", "Replicate", "Remove")

places = st.sampled_from(PLACES)
names = st.sampled_from(NAMES)
which = st.integers(0, len(NAMES) - 1)
"""One of the secrets that are there, counted in the order of their names."""
passwords = st.sampled_from(("canary-A", "canary-B", 'canary-"\\ü\n', ""))
data = st.one_of(
    st.builds(lambda password: {"password": password}, passwords),
    st.builds(lambda user, password: {"username": user, "password": password}, passwords, passwords),
)
choices = st.fixed_dictionaries(
    {},
    optional={
        "replicate": st.sampled_from(("true", "true", "false")),
        "aws-name": st.sampled_from(("/not/taken", *ALIASES, *ALIASES)),
        "aws-format": st.sampled_from(("json", "plain")),
        **{f"aws-tag-{key}": st.sampled_from(("blue", "green")) for key in USERS_TAGS},
    },
)


def events(**arguments: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Return a strategy for one of the named methods of `Histories` with its arguments.

    One rule for each method would not do: hypothesis leaves out a random half of the rules in each history,
    and what matters here comes of several of them together.
    """
    return st.one_of(
        *(st.tuples(st.just(name), st.fixed_dictionaries(each)) for name, each in arguments.items())
    )


in_vault = events(
    write={"place": places, "data": data},
    write_an_empty_value={"place": places},
    change_a_version={
        "place": places,
        "back": st.integers(0, 1),
        "how": st.sampled_from(("delete", "undelete", "destroy")),
    },
    remove_with_all_metadata={"place": places, "again": st.none() | data},
    choose={"place": places, "choices": choices},
    choose_something_else={"place": places, "choices": st.just({}) | choices},
)
in_the_console = events(
    put_a_foreign_secret_in_the_way={
        "name": names,
        "owner": st.sampled_from((None, "somebody")),
        "adopted": st.booleans(),
    },
    edit={"which": which, "times": st.integers(1, 2)},
    roll_back={"which": which},
    delete_or_restore={"which": which},
    tag_or_untag={
        "which": which,
        "taken": st.sampled_from((None, OWNER, SOURCE, "beanvault:version", *USERS_TAGS)),
    },
)
in_the_deployment = events(
    configure={"schedule": st.sampled_from((True, True, False))},
    run_on_a_bad_day={
        "seed": st.integers(0, 2**20),
        "percent": st.sampled_from((5, 40, 80)),
        "whose": st.sampled_from(("AWS's", "Vault's", "both")),
    },
    run_with_a_list_that_lags={},
    run_while_somebody_works={"place": places, "other": st.none() | places, "data": st.none() | data},
    run_over_one_path={"place": places},
    try_a_run={},
    run_that_may_delete_nothing={"place": places},
)


@dataclasses.dataclass(frozen=True)
class Servers:
    """The real servers, a proxy before each, and the run's own AWS clients, which go through the proxy."""

    vault: hvac.Client
    aws: Any
    vault_proxy: Proxy
    aws_proxy: Proxy
    clients: Clients
    token: str
    met: Counter[str] = dataclasses.field(default_factory=Counter)
    """What the runs have done, remarked, refused and called."""


@pytest.fixture
def servers(
    openbao: Any, local_aws: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Servers]:
    caplog.set_level(logging.ERROR, "replicator")  # it warns of the login by token in each run
    vault_proxy, aws_proxy = Proxy(openbao.address, openbao.ca_file), Proxy(local_aws.endpoint)
    for name, value in {**local_aws.environment(), "AWS_ENDPOINT_URL": aws_proxy.address}.items():
        monkeypatch.setenv(name, value)
    clients = Clients()
    retry_at_once(clients.secretsmanager)
    try:
        yield Servers(
            openbao.root_client(),
            local_aws.client("secretsmanager"),
            vault_proxy,
            aws_proxy,
            clients,
            openbao.root_token,
        )
    finally:
        vault_proxy.close()
        aws_proxy.close()


class Histories(RuleBasedStateMachine):
    """One deployment with a mount and a prefix of its own, and everything that can happen to it."""

    def __init__(self, servers: Servers) -> None:
        super().__init__()
        self.servers = servers
        self.name = f"h{uuid.uuid4().hex[:10]}"
        self.kv = servers.vault.secrets.kv.v2
        self.config = Config(
            connection_secret=f"{self.name}-connection",
            mounts=(Mount("kv", self.name), Mount("kv", self.name + BESIDE)),
            prefix=self.name,
            owner=self.name,
            deletion_days=7,
            max_delete_share=1.0,
            allow_http=True,
        )
        for mount in self.config.mounts:
            enable_kv2(servers.vault, mount.path)
        connection = {"vaultAddress": servers.vault_proxy.address, "vaultToken": servers.token}
        servers.aws.create_secret(
            Name=self.config.connection_secret,
            SecretString=json.dumps(connection),
        )
        self.written: dict[str, str | None] = {}
        """By version id: the text that a write in Vault becomes; None where it must not become a secret."""
        self.edited: dict[str, str] = {}
        """By version id: what people wrote into Secrets Manager."""
        self.managed: set[str] = set()
        """The ARNs of all secrets that were ever ours."""
        self.older_list = b""
        self.steps = 0
        self._listed()

    @property
    def policy(self) -> Rules:
        adopt = frozenset(name.removeprefix(f"{self.name}/") for name in self.config.adopt)
        return Rules(self.name, self.name, self.config.deletion_days is not None, adopt)

    @rule(event=st.one_of(in_vault, in_the_console, in_the_deployment))
    def happen(self, event: tuple[str, dict[str, Any]]) -> None:
        name, arguments = event
        getattr(self, name)(**arguments)

    # What people do in Vault.

    @initialize(
        written=st.sets(places, min_size=3),
        chosen=st.dictionaries(places, choices, min_size=2, max_size=3),
        foreign=names,
        adopted=st.booleans(),
        seed=st.integers(0, 2**20),
    )
    def begin(
        self, written: set[Place], chosen: dict[Place, dict[str, str]], foreign: str, adopted: bool, seed: int
    ) -> None:
        for place in PLACES:
            if place in written:
                self.write(place, {"password": "canary-A"})
        for place, custom in chosen.items():
            self.choose(place, custom)
        self.put_a_foreign_secret_in_the_way(foreign, None, adopted)
        self.run_on_a_bad_day(seed, 80, "Vault's")

    @invariant()
    def run_now_and_then(self) -> None:
        """Run over everything at a fixed pace: so that each history is stored to what is expected."""
        if self.steps % STEPS_BETWEEN_RUNS == 0:
            self.run_over_everything()
        self.steps += 1

    def write(self, place: Place, data: dict[str, str]) -> None:
        answer = self.kv.create_or_update_secret(place.path, data, mount_point=self._mount(place))["data"]
        for form in ("json", "plain"):
            version_id = identity(self.policy, place, answer["version"], answer["created_time"], form)
            self.written[version_id] = rendered(data, form)

    def change_a_version(self, place: Place, back: int, how: str) -> None:
        try:
            metadata = self.kv.read_secret_metadata(place.path, mount_point=self._mount(place))["data"]
        except hvac.exceptions.InvalidPath:
            return
        change = getattr(self.kv, f"{how}_secret_versions")
        change(place.path, [metadata["current_version"] - back], mount_point=self._mount(place))

    def remove_with_all_metadata(self, place: Place, again: dict[str, str] | None) -> None:
        self.kv.delete_metadata_and_all_versions(place.path, mount_point=self._mount(place))
        if again is not None:
            self.write(place, again)

    def write_an_empty_value(self, place: Place) -> None:
        self.write(place, {"password": ""})

    def choose_something_else(self, place: Place, choices: dict[str, str]) -> None:
        """What was chosen before has been replicated, and is taken back now."""
        self.choose(place, {f"aws-tag-{key}": "red" for key in USERS_TAGS})
        self.run_over_everything()
        self.choose(place, choices)

    def choose(self, place: Place, choices: dict[str, str]) -> None:
        self.kv.update_metadata(place.path, mount_point=self._mount(place), custom_metadata=choices)

    def _mount(self, place: Place) -> str:
        return place.mount(self.policy)

    # What people do in Secrets Manager.

    def put_a_foreign_secret_in_the_way(self, name: str, owner: str | None, adopted: bool) -> None:
        if adopted:
            self.config = dataclasses.replace(self.config, adopt=self.config.adopt | {f"{self.name}/{name}"})
        tags = [PERSONS_TAG]
        if owner:
            tags += [{"Key": OWNER, "Value": owner}, {"Key": SOURCE, "Value": f"{self.name}/{name}"}]
        if name not in self._listed():
            self.servers.aws.create_secret(
                Name=f"{self.name}/{name}", SecretString="canary-theirs", Tags=tags
            )

    def edit(self, which: int, times: int) -> None:
        """After the second edit no stage is left on the version that was replicated."""
        entry = self._pick(which)
        for _ in range(times if entry and "DeletedDate" not in entry else 0):
            answer = self.servers.aws.put_secret_value(SecretId=entry["ARN"], SecretString="canary-edited")
            self.edited[answer["VersionId"]] = "canary-edited"

    def roll_back(self, which: int) -> None:
        entry = self._pick(which)
        versions = entry.get("SecretVersionsToStages", {})
        staged = {stage: id_ for id_, stages in versions.items() for stage in stages}
        if "DeletedDate" not in entry and "AWSPREVIOUS" in staged:
            self.servers.aws.update_secret_version_stage(
                SecretId=entry["ARN"],
                VersionStage="AWSCURRENT",
                MoveToVersionId=staged["AWSPREVIOUS"],
                RemoveFromVersionId=staged["AWSCURRENT"],
            )

    def delete_or_restore(self, which: int) -> None:
        entry = self._pick(which)
        if "DeletedDate" in entry:
            self.servers.aws.restore_secret(SecretId=entry["ARN"])
        elif entry:
            self.servers.aws.delete_secret(SecretId=entry["ARN"], RecoveryWindowInDays=30)

    def tag_or_untag(self, which: int, taken: str | None) -> None:
        """Without the tag of the owner or the source the secret is not ours any more."""
        entry = self._pick(which)
        if not entry or "DeletedDate" in entry:
            return
        if taken is None:
            self.servers.aws.tag_resource(SecretId=entry["ARN"], Tags=[PERSONS_TAG])
        else:
            self.servers.aws.untag_resource(SecretId=entry["ARN"], TagKeys=[taken])

    def _pick(self, which: int) -> dict[str, Any]:
        """Return the list's entry of one secret, or nothing where there is none."""
        listed = self._listed()
        return listed[sorted(listed)[which % len(listed)]] if listed else {}

    # What the deployment's owner does.

    def configure(self, schedule: bool) -> None:
        """Adoption is meant to be taken back when it is done."""
        days = 7 if schedule else None
        self.config = dataclasses.replace(self.config, deletion_days=days, adopt=frozenset())

    # Runs.

    def run_over_everything(self) -> None:
        before, claims = self._read_secrets(), self._ask()
        expected = expect(before, claims, self.policy)
        report = self._run()
        after = self._check_safety(before, claims)
        self._check_convergence(expected, before, after)
        self._check_report(report, expected, claims)
        self._check_second_run(expected, after)

    def run_on_a_bad_day(self, seed: int, percent: int, whose: str) -> None:
        before, claims = self._read_secrets(), self._ask()
        if whose != "Vault's":
            self.servers.aws_proxy.rule = bad_day(seed, percent, self.name, AWS_FAULTS)
        if whose != "AWS's":
            self.servers.vault_proxy.rule = bad_day(seed, percent, self.name, VAULT_FAULTS)
        report = self._run()
        after = self._check_safety(before, claims)
        if report.healthy:  # what says that all is well must have made it so
            self._check_convergence(expect(before, claims, self.policy), before, after)

    def run_with_a_list_that_lags(self) -> None:
        before, claims = self._read_secrets(), self._ask()
        stale = ProxyAnswer(200, self.older_list)
        self.servers.aws_proxy.rule = lambda call: stale if call.operation == "ListSecrets" else FORWARD
        self._run()
        self._check_safety(before, claims)

    def run_while_somebody_works(
        self, place: Place, other: Place | None, data: dict[str, str] | None
    ) -> None:
        """A path is written, or deleted, when all has been gathered and before the first value is fetched.

        It is the very path that the run has to write, or an *other*.
        """
        self.write(place, {"password": "canary-mid-run"})
        before, claims = self._read_secrets(), self._ask()

        def work() -> None:
            self.servers.met[IN_MID_RUN] += 1
            if data is None:
                self.change_a_version(other or place, 0, "delete")
            else:
                self.write(other or place, data)

        self.servers.vault_proxy.rule = doing(lambda call: "/data/" in call.path, work)
        self._run()
        later = self._ask()
        self._check_safety(before, Claims(claims.all + later.all, claims.unfit | later.unfit))
        self.run_over_everything()

    def run_over_one_path(self, place: Place) -> None:
        before, claims = self._read_secrets(), self._ask()
        report = self._run(ReplicationRequest((f"{self._mount(place)}/{place.path}",)))
        after = self._check_safety(before, claims)
        touched = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        claimed = {claim.name: claim for claim in claims.all if claim.place == place}
        assert touched <= claimed.keys()
        for name, claim in claimed.items():
            if report.healthy:
                assert (after[name].current, after[name].text) == (claim.version_id, claim.text)

    def try_a_run(self) -> None:
        before = self._read_secrets()
        self._run(ReplicationRequest(dry_run=True))
        assert not any("/data/" in call.path for call in self.servers.vault_proxy.calls())
        assert self._read_secrets() == before

    def run_that_may_delete_nothing(self, place: Place) -> None:
        self.change_a_version(place, 0, "delete")
        before, claims = self._read_secrets(), self._ask()
        expected = expect(before, claims, self.policy)
        self.config = dataclasses.replace(self.config, max_delete_share=0.0)
        report = self._run()
        self.config = dataclasses.replace(self.config, max_delete_share=1.0)
        after = self._check_safety(before, claims)
        if any(not before[name].pending for name in expected.deleted):
            assert [type(error) for error in report.errors] == [UnsafePlan]
            assert after == before
        else:
            self._check_convergence(expected, before, after)

    def _run(self, request: ReplicationRequest | None = None) -> RunReport:
        self.servers.aws_proxy.forget()
        self.servers.vault_proxy.forget()
        try:
            report = run(
                self.config,
                self.servers.clients,
                request or ReplicationRequest(),
                RunClock(time.time),
                Timeouts(first_pause_seconds=0.001),
            )
            self._note(report)
            return report
        finally:
            self.servers.aws_proxy.rule = self.servers.vault_proxy.rule = lambda _: FORWARD

    def _note(self, report: RunReport) -> None:
        met = self.servers.met
        met.update(type(each.change).__name__ for each in report.outcomes if isinstance(each, Applied))
        met.update(type(each).__name__ for each in report.remarks)
        met.update(each.error for each in report.problems())
        met.update(self.servers.aws_proxy.operations())

    # What holds.

    def _check_safety(self, before: dict[str, StoredSecret], claims: Claims) -> dict[str, StoredSecret]:
        """Check what holds after every run, whatever went wrong in it; return what the target is now."""
        after = self._read_secrets()
        adopt = self.policy.adopt
        for name, stored in before.items():
            if not stored.is_of(self.name) and not (name in adopt and not stored.pending and claims.of(name)):
                assert after.get(name) == stored, f"the foreign secret {name} was changed"
        self.managed |= {stored.arn for stored in after.values() if stored.is_of(self.name)}
        assert self.managed <= {stored.arn for stored in after.values()}, "a managed secret is lost"
        for name, stored in after.items():
            was = before.get(name)
            self._check_identity(name, stored)
            if was is not None and was.arn == stored.arn:
                allowed = {was.current, *(claim.version_id for claim in claims.of(name))}
                assert stored.current in allowed, f"{name} has a value that no claim has"
                if stored.pending and not was.pending:
                    assert not _has_heir(claims.of(name), was), f"{name} was deleted while a path claims it"
        return after

    def _check_identity(self, name: str, stored: StoredSecret) -> None:
        """The version that is current has the identity of the write or the edit that its value is from."""
        if stored.pending or stored.text == "canary-theirs":
            return
        known = {**self.written, **self.edited}
        assert stored.current in known, f"the value of {name} has no known origin"
        assert known[stored.current] == stored.text, f"{name} has another write's value"

    def _check_convergence(
        self, expected: Expected, before: dict[str, StoredSecret], after: dict[str, StoredSecret]
    ) -> None:
        for name, claim in expected.copies.items():
            stored, was = after[name], before.get(name)
            assert not stored.pending, name
            assert (stored.current, stored.text) == (claim.version_id, claim.text), name
            assert was is None or was.arn == stored.arn, f"{name} was created again"
            theirs = {key: value for key, value in stored.tags.items() if key == PERSONS_TAG["Key"]}
            assert was is None or theirs.items() >= {
                (key, value) for key, value in was.tags.items() if key == PERSONS_TAG["Key"]
            }
            ours = {k: v for k, v in stored.tags.items() if k not in {*theirs, "beanvault:tags"}}
            assert ours == claim.tags, name
        for name in expected.deleted:
            assert after[name].pending, f"{name} is an orphan"
        for name in (before.keys() | after.keys()) - expected.copies.keys() - expected.deleted:
            assert after.get(name) == before.get(name), f"{name} was to be left alone"

    def _check_report(self, report: RunReport, expected: Expected, claims: Claims) -> None:
        unmet = len(claims.unfit) + len(claims.all) - len(expected.copies)
        assert report.healthy == (unmet == 0), report.problems()
        assert len(report.problems()) == unmet, report.problems()

    def _check_second_run(self, expected: Expected, after: dict[str, StoredSecret]) -> None:
        """It makes no change and few calls; what was refused is tried again, and refused again."""
        report = self._run()
        counts = report.counts()
        assert counts[Count.UNCHANGED] == len(expected.copies), counts
        assert not any(
            counts[each] for each in (Count.CREATED, Count.UPDATED, Count.RESTORED, Count.DELETED)
        ), counts
        assert len(report.outcomes) == len(expected.refused)
        assert not any(isinstance(outcome.change, Delete) for outcome in report.outcomes)
        operations = self.servers.aws_proxy.operations()
        assert not any(operation.startswith(WRITES) for operation in operations), operations
        assert len(operations) <= math.ceil(len(after) / 100) + 5 + len(expected.refused), operations

    def _ask(self) -> Claims:
        return ask(self.servers.vault, self.policy, PLACES)

    def _read_secrets(self) -> dict[str, StoredSecret]:
        return read_secrets(self.servers.aws, self.name)

    def _listed(self) -> dict[str, dict[str, Any]]:
        """Return the state before a change by hand; a list that lags still has this."""

        def keep(response_dict: dict[str, Any], **_: object) -> None:
            self.older_list = response_dict["body"]

        events, hook = self.servers.aws.meta.events, "before-parse.secretsmanager.ListSecrets"
        events.register(hook, keep)
        try:
            listed = entries(self.servers.aws, self.name)
            return {entry["Name"].removeprefix(f"{self.name}/"): entry for entry in listed}
        finally:
            events.unregister(hook, keep)


def _has_heir(contenders: tuple[Claim, ...], stored: StoredSecret) -> bool:
    """Whether a path gets the name; two new paths that both claim it do not."""
    return len(contenders) == 1 or any(claim.tags[SOURCE] == stored.tags.get(SOURCE) for claim in contenders)


def test_after_any_history_the_target_equals_the_source_and_nothing_foreign_changed(servers: Servers) -> None:
    drawn = os.environ.get("BEANVAULT_HISTORIES")
    profile = settings(
        max_examples=int(drawn or 14),
        stateful_step_count=24,
        derandomize=drawn is None,
        # A failure is shown as it was found; where new histories are drawn, the shortest is searched for.
        phases=tuple(Phase) if drawn else (Phase.generate,),
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    factory: Any = partial(Histories, servers)  # any callable will do; it is annotated as a class
    run_state_machine_as_test(factory, settings=profile)
    assert servers.met.keys() >= EVERYTHING, EVERYTHING - servers.met.keys()
