"""YAML as the registry wants it: `on` is a word and no truth value, and a key given twice is an error."""

import re
from pathlib import Path

import yaml

from triggers.registry import RegistryError


class _Loader(yaml.SafeLoader):
    """SafeLoader of YAML 1.2's truth values: only `true` and `false` are booleans."""


_BOOLEAN = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if resolver[0] != _BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"(?:true|false)\Z"), ["t", "f"])


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[object, object]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"{key} stands there twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(source: Path) -> dict[str, object]:
    """Return the mapping in a YAML file. Raises RegistryError when it is none or a key stands there twice."""
    try:
        content = yaml.load(source.read_text(), Loader=_Loader)
    except yaml.YAMLError as wrong:
        raise RegistryError(f"{source.name}: {' '.join(str(wrong).split())}") from wrong
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise RegistryError(f"{source.name}: a mapping of operations to entries is expected")
    return content
