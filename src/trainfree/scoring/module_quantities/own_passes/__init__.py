"""The same for torch modules: layers handed on one by one, masked passes, curves of inputs."""
