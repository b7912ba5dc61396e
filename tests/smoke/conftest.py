"""The option `--smoke-bin`: the bin folder of the environment under test."""


def pytest_addoption(parser):
    parser.addoption("--smoke-bin", help="bin folder of the environment that has the wheel")
