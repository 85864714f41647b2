"""The interrupt button, while a cell waits for a job: the cell ends with KeyboardInterrupt, the job with Stop."""

import time
from queue import Empty

from jupyter_client.manager import start_new_kernel

START = """
import time
from labkit.jobs import Job

def work(progress):
    while not progress.should_stop():
        time.sleep(0.01)
    return "half"

job = Job(work).start()
"""


def run(client, code, interrupt=None):
    """Execute code; return what it printed, and the name of its error."""
    message, printed, error = client.execute(code), "", ""
    if interrupt:
        time.sleep(1.0)
        interrupt()
    while True:
        try:
            reply = client.get_iopub_msg(timeout=20)
        except Empty:
            raise AssertionError(f"no answer to {code!r}") from None
        if reply["parent_header"].get("msg_id") != message:
            continue
        if reply["msg_type"] == "stream":
            printed += reply["content"]["text"]
        elif reply["msg_type"] == "error":
            error = reply["content"]["ename"]
        elif reply["msg_type"] == "status" and reply["content"]["execution_state"] == "idle":
            return printed, error


def test_interrupt_stops_the_job_and_is_not_swallowed():
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        assert run(client, START) == ("", "")
        assert run(client, "job.wait()", manager.interrupt_kernel) == ("", "KeyboardInterrupt")
        assert run(client, "print(job.wait(5), job.status)") == ("half stopped\n", "")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
