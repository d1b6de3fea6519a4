"""Code from outside the suite: found, loaded, called without harm, and begun from a skeleton.

Proxies, search algorithms, spaces and image sets of users come in through here.
"""
