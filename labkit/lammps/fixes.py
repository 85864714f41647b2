"""The `fix external` of each hook: added to LAMMPS, kept in order, and guarded against exceptions in a hook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from labkit.errors import LabkitError, Stopped
from labkit.lammps.hook import Hook
from labkit.lammps.integrator_hook import IntegratorHook
from labkit.lammps.potential_hook import PotentialHook
from labkit.lammps.run_progress import interruptible


class Fixes:
    """LAMMPS's commands, the fixes of hooks, and the first exception of a callback until LAMMPS returns."""

    def __init__(self, lmp: Any) -> None:
        self.lmp = lmp
        self._failure: tuple[BaseException, str] | None = None
        self._interrupted = False

    def command(self, text: str) -> None:
        """Run a LAMMPS command; its errors, and those of hooks, are raised as LabkitError."""
        try:
            with interruptible(self.interrupt):
                self.lmp.command(text)
        except Exception as error:
            self.reraise()
            raise LabkitError(f"LAMMPS: {text}: {str(error).strip()}") from error
        self.reraise()

    def interrupt(self) -> None:
        """Ctrl-C: LAMMPS ends its step and returns."""
        self._interrupted = True
        self.lmp.force_timeout()

    def free(self, name: str) -> str:
        """The ID for a hook: a given one, or the next of labkit1, labkit2, ..."""
        taken = self.lmp.available_ids("fix")
        if not name:
            return next(made for k in range(1, len(taken) + 2) if (made := f"labkit{k}") not in taken)
        if name in taken:
            raise LabkitError(f"name {name!r}: LAMMPS has a fix of this name already; choose another")
        if not name.replace("_", "").isalnum():
            raise LabkitError(f"name {name!r}: expected letters, digits and _, as in a LAMMPS ID")
        return name

    def install(self, hook: Hook) -> None:
        self.command(f"fix {hook.name} {hook.group_name} external pf/callback 1 1")
        wanted = "yes" if isinstance(hook, PotentialHook) else "no"
        self.command(f"fix_modify {hook.name} energy {wanted} virial {wanted}")
        if isinstance(hook, IntegratorHook):
            self.command(f"fix {hook.name}_move {hook.group_name} nve/noforce")
        self.lmp.set_fix_external_callback(hook.name, self._guarded(hook), self.lmp)

    def remove(self, hook: Hook) -> None:
        fixes = self.lmp.available_ids("fix")
        for name in (hook.name, f"{hook.name}_move"):
            if name in fixes:
                self.lmp.command(f"unfix {name}")

    def order(self, late: Sequence[Hook]) -> None:
        """Put these hooks, which need all forces, after all other fixes, including those of the user."""
        moves = {f"{hook.name}_move" for hook in late}  # they have no forces
        fixes = [name for name in self.lmp.available_ids("fix") if name not in moves]
        if fixes[len(fixes) - len(late) :] != [hook.name for hook in late]:
            for hook in late:
                self.remove(hook)
            for hook in late:
                self.install(hook)

    def reraise(self) -> None:
        """Raise the exception of a hook, now that LAMMPS has returned."""
        if self._failure is None and not self._interrupted:
            return
        (error, where), self._failure = self._failure or (KeyboardInterrupt(), ""), None
        self._interrupted = False
        self.lmp.command("timer timeout off")  # otherwise every later run would end at once, without a message
        if isinstance(error, (Stopped, KeyboardInterrupt, SystemExit)):
            raise error
        text = str(error) if isinstance(error, LabkitError) else f"{type(error).__name__}: {error}"
        raise LabkitError(
            f"{where}: {text}. LAMMPS was ended in this step, and its output of this step lacks these forces; fix the "
            "hook and start again"
        ) from error

    def _guarded(self, hook: Hook) -> Callable[..., None]:
        def callback(_: Any, step: int, count: int, tags: Any, x: Any, external: Any) -> None:
            external[:] = 0
            if self._failure is not None:
                return
            try:
                if hook.rank > 0 and not hook.host.running:
                    raise LabkitError("runs with integrators and observers are started by host.run(steps)")
                hook.host.report_step(int(step))
                hook.call(int(step), external)
            except BaseException as error:  # noqa: BLE001 (ctypes would swallow it: `reraise` raises it)
                external[:] = 0
                self._failure = (error, f"step {step}: hook {hook}")
                self.lmp.fix_external_set_energy_global(hook.name, float("nan"))  # cannot be taken for a result
                self.lmp.force_timeout()

        return callback
