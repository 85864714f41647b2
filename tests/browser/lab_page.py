"""What a person does in JupyterLab, for the tests of this folder."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labkit.exercises.copies import CHECK, read

REPOSITORY = Path(__file__).resolve().parents[2]


def open_lab(page: Any, address: str) -> None:
    """Open a notebook and wait until its kernel is idle and the page knows it (else "Select Kernel" is asked)."""
    page.goto(address)
    page.wait_for_selector(".jp-NotebookPanel:visible .jp-Cell")
    until(lambda: kernel_states(page) == ["idle"], 60, "idle kernel")
    page.wait_for_selector(".jp-NotebookPanel-toolbar [data-status='idle']:visible")
    page.wait_for_timeout(500)
    refuse_news(page)


def kernel_states(page: Any) -> list[str]:
    """What the server says of its kernels that have a page."""
    script = "() => fetch(new URL('/api/sessions', location)).then(answer => answer.json())"
    return [s["kernel"]["execution_state"] for s in page.evaluate(script) if s["kernel"]["connections"]]


def end_kernels(page: Any) -> None:
    """Shut all kernels of the server down."""
    script = """async () => {
        const token = JSON.parse(document.getElementById('jupyter-config-data').textContent).token;
        const ask = (path, options) => fetch(new URL(path, location),
            {headers: {Authorization: `token ${token}`}, ...options});
        for (const kernel of await (await ask('/api/kernels')).json())
            await ask(`/api/kernels/${kernel.id}`, {method: 'DELETE'});
        return (await (await ask('/api/kernels')).json()).length;
    }"""
    assert page.evaluate(script) == 0


def refuse_news(page: Any) -> None:
    """Close the question whether JupyterLab may fetch news."""
    button = page.get_by_role("button", name="No", exact=True)
    if button.count():
        button.first.click()


def run_all(page: Any) -> None:
    run_menu(page, "Run All Cells")


def run_menu(page: Any, item: str) -> None:
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.locator(".lm-Menu-itemLabel", has_text=item).first.click()


def dark_theme(page: Any) -> None:
    """Choose JupyterLab's dark theme, and wait until the page has it."""
    page.locator(".lm-MenuBar-itemLabel", has_text="Settings").first.click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Theme$")).first.hover()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^JupyterLab Dark$")).first.click()
    until(lambda: page.evaluate("() => document.body.dataset.jpThemeLight") == "false", 20, "dark theme")
    page.wait_for_timeout(2000)


def run_lesson(page: Any, lab: str, name: str, seconds: float) -> Any:
    """Open a notebook and run what stands before its exercises (tests/notebooks runs all); no cell fails."""
    code = [cell for cell in read(REPOSITORY / "notebooks" / f"{name}.ipynb").cells if cell.cell_type == "code"]
    first = next(i for i, cell in enumerate(code) if CHECK.search(cell.source))
    address = lab.replace("00_start_here", name)
    open_lab(page, address.replace("/lab/tree/", f"/lab/workspaces/{name}/tree/"))  # no tabs of another test
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(first).locator(".jp-InputPrompt").click()
    start = time.monotonic()
    run_menu(page, "Run All Above Selected Cell")
    done = re.compile(r"\[\d+\]")
    until(lambda: all(map(done.match, prompts(page)[:first])), seconds, "end of the last cell before the exercises")
    print(f"{first} cells after {time.monotonic() - start:.1f} s")
    assert failures(page) == []
    return page


def prompts(page: Any) -> list[str]:
    """What stands before the code cells: "[ ]:", "[*]:", "[3]:"; only one notebook may be open."""
    script = """() => [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell')]
        .map(cell => cell.querySelector('.jp-InputPrompt')?.textContent ?? '')"""
    return page.evaluate(script)


def until(condition: Callable[[], Any], seconds: float, what: str, step: float = 0.1) -> Any:
    """Wait until `condition()` holds and return it."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"no {what} within {seconds:g} s"
        time.sleep(step)
    return value


def colours(png: bytes, background: tuple[int, int, int] = (255, 255, 255)) -> tuple[float, int]:
    """The part of pixels that are not background, and the number of different colours among them."""
    found = pixels(png)
    drawn = found[np.abs(found - background).sum(1) > 30]
    return len(drawn) / len(found), len(np.unique(drawn // 16, axis=0))


def pixels(png: bytes) -> np.ndarray:
    """Red, green and blue (n, 3), 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3).astype(int)


def type_cell(page: Any, source: str) -> None:
    """Add a cell at the end, with this source, and run it."""
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell").last.locator(".jp-InputPrompt").click()
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.insert_text(source)
    page.keyboard.press("Shift+Enter")


def failures(page: Any) -> list[str]:
    """Tracebacks and messages on the error channel that the notebook shows."""
    kinds = [f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr")]
    return page.locator(", ".join(kinds)).all_inner_texts()


def type_into(panel: Any, name: str, value: str) -> None:
    """Type a value into the field beside a slider."""
    field = panel.locator(f".labkit-{name} input[type=text]")
    field.fill(value)
    field.press("Enter")


def stop(page: Any, panel: Any) -> float:
    """Press Stop; return the seconds until the screen says so, measured in the page."""
    button = panel.get_by_role("button", name="Stop").element_handle()
    return page.evaluate(
        """([panel, button]) => new Promise(resolve => {
            const start = performance.now();
            const look = () => /stopp/.test(panel.querySelector('.labkit-state').textContent)
                ? resolve((performance.now() - start) / 1000) : setTimeout(look, 5);
            button.click();
            look();
        })""",
        [panel.element_handle(), button],
    )


def differ(one: bytes, other: bytes) -> float:
    """The part of pixels that are not the same."""
    a, b = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int) for png in (one, other))
    if abs(np.subtract(a.shape, b.shape)).max() > 1:  # a row more or less comes from where the page was scrolled to
        return 0.0
    rows, columns = np.minimum(a.shape, b.shape)[:2]
    return float((abs(a[:rows, :columns] - b[:rows, :columns]).sum(2) > 60).mean())
