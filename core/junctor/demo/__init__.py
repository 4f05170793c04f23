"""The demo: a hub, stand-in vendors on loopback and a sample shop, in one process."""

from junctor.demo.run import run_demo

__all__ = ["run_demo"]
