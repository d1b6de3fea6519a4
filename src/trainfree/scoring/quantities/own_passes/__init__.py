"""Passes made for one purpose: layers handed on one by one, masked ones, curves of inputs."""
