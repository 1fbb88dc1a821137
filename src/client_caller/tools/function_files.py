"""Python files of the operator's, whose decorated functions become tools.

In:   a path.     Out: the tools in it, in order of appearance; or a ConfigError with the file and line that is wrong.
"""

import importlib.util
import sys
from pathlib import Path

from client_caller.errors import ConfigError
from client_caller.tools.function_tool import FunctionTool
from client_caller.tools.rim import CodeFailed, rim


def load_functions(path: Path) -> list[FunctionTool]:
    """The functions that the file decorates with `@tool`. Runs the file. Raises ConfigError.

    What it merely imports from elsewhere counts, too: a file may gather tools of a package.
    """
    path = path.resolve()
    if not path.is_file():
        raise ConfigError(f"{path} is no file: functions of an agent are in a Python file beside it")
    name = f"client_caller_functions_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and annotations of the file look themselves up there
    try:
        with rim(ConfigError):
            spec.loader.exec_module(module)
    except CodeFailed as broke:
        del sys.modules[name]
        raise ConfigError(f"{broke.place}: {broke.kind}: {broke.why}") from broke
    tools = [value for value in vars(module).values() if isinstance(value, FunctionTool)]
    if not tools:
        raise ConfigError(f"{path}: no function in it is decorated with @tool (from client_caller import tool)")
    names = [tool.name for tool in tools]
    for twice in sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{path}: two tools are called {twice}")
    return tools
