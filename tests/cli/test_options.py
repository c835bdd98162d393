"""The command line as one: what every command has in common."""

import shlex
from collections import defaultdict

import click
import pytest
from click.shell_completion import ShellComplete

from sketchkit.cli import cli, main
from sketchkit.cli.options import ConfigPath, PicturePath, PluginFile, RunPath, spread

SHARED = {"--plugin", "--cfg-options", "-o", "--seed", "--json", "--quiet", "--device", "--on-error"}
PATHS = (ConfigPath, RunPath, PicturePath, PluginFile)


def walk(command, *path):
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), *path, name)


TREE = dict(walk(cli, "sketchkit"))


def help_of(path, command):
    return command.get_help(click.Context(command, info_name=path, help_option_names=["-h", "--help"]))


@pytest.mark.parametrize("path", TREE)
def test_every_help_ends_with_an_example_of_it_that_parses(path):
    head, last = help_of(path, TREE[path]).splitlines()[-2:]
    assert head.strip() == "Example:"
    words = shlex.split(last)
    assert " ".join(words).startswith(path)
    depth = max(n for n in range(1, len(words) + 1) if " ".join(words[:n]) in TREE)
    command, rest = TREE[" ".join(words[:depth])], words[depth:]
    if rest == ["--help"]:
        return
    assert not isinstance(command, click.Group)
    given, left, _ = command.make_parser(click.Context(command)).parse_args(list(spread(rest)))
    given = {name: value for name, value in given.items() if isinstance(value, str | list | tuple)}
    assert not left and {one.name for one in command.params if one.required} <= set(given)
    for one in command.params:
        if isinstance(one.type, ConfigPath) and one.name in given:
            ConfigPath().convert(given[one.name], None, None)


def options():
    for path, command in TREE.items():
        for one in command.params:
            if isinstance(one, click.Option):
                yield path, one


def test_an_option_has_one_short_form_and_one_meaning():
    flags, meanings = defaultdict(set), defaultdict(set)
    for _, one in options():
        for flag in one.opts:
            flags[flag].add(frozenset(one.opts))
        if shared := SHARED.intersection(one.opts):
            kind = (one.name, type(one.type), one.multiple, one.is_flag)
            meanings[shared.pop()].add(kind if "-o" in one.opts else (*kind, one.help))
    assert {flag: both for flag, both in flags.items() if len(both) > 1} == {}
    assert set(meanings) == SHARED
    assert {flag: both for flag, both in meanings.items() if len(both) > 1} == {}


def test_what_is_written_is_named_by_o():
    outputs = {path for path, one in options() if "-o" in one.opts}
    assert {"sketchkit sweep", "sketchkit stylize", "sketchkit translate", "sketchkit eval"} <= outputs
    assert not {path for path, one in options() if "--out" in one.opts}


def test_what_a_call_names_is_looked_for_at_once():
    """Pictures, configs, runs and plugins have types that refuse what is not there before a command runs."""
    for path, command in TREE.items():
        for one in command.params:
            if one.name in {"config", "run", "source", "root", "plugin_files"}:
                assert isinstance(one.type, PATHS), (path, one.name)


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version(flag, capsys):
    with pytest.raises(SystemExit) as end:
        main([flag])
    assert not end.value.code and capsys.readouterr().out.startswith("sketchkit, version ")


def test_shells_complete_commands_and_configs():
    complete = ShellComplete(cli, {}, "sketchkit", "_SKETCHKIT_COMPLETE")
    assert [item.value for item in complete.get_completions(["data"], "sp")] == ["split"]
    assert [item.value for item in complete.get_completions(["train"], "pix2pix_f")] == ["pix2pix_facades"]
    assert [item.type for item in complete.get_completions(["translate"], "runs/")] == ["file"]
