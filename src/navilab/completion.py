"""`navilab completion`: a shell's completion script, made from the parser itself, so that it knows no other options."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

FILES = "..."
"""Stands for the names of files among the values of an option."""


@dataclass(frozen=True, slots=True)
class Level:
    """A command by its words (`lab up`), the words that may follow with what they mean, and what options take."""

    path: str
    commands: dict[str, str]
    options: dict[str, str]
    values: dict[str, tuple[str, ...]]
    """Of the options that take a value."""
    positional: tuple[str, ...]

    @property
    def words(self) -> dict[str, str]:
        """What may follow and begins with no dash, with what it means: commands, or values of an argument."""
        return {**self.commands, **dict.fromkeys(_known(self.positional), "")}


def _known(values: Sequence[str]) -> list[str]:
    """Those that a shell can offer by their names."""
    return [value for value in values if value != FILES]


def levels(parser: argparse.ArgumentParser, path: str = "") -> Iterator[Level]:
    """All commands of a parser, from the outside in."""
    commands: dict[str, str] = {}
    options: dict[str, str] = {}
    values: dict[str, tuple[str, ...]] = {}
    positional: tuple[str, ...] = ()
    inner: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands = {each.dest: each.help or "" for each in action._choices_actions}
            inner = [(f"{path} {name}".strip(), each) for name, each in action.choices.items()]
        elif not action.option_strings:
            positional = _values(action)
        else:
            for option in action.option_strings:
                options[option] = action.help or ""
                if action.nargs != 0:
                    values[option] = _values(action)
    yield Level(path, commands, options, values, positional)
    for name, each in inner:
        yield from levels(each, name)


def _values(action: argparse.Action) -> tuple[str, ...]:
    """What may stand for an option's value: choices, names of files, or nothing that a shell could know."""
    if action.choices:
        return tuple(map(str, action.choices))
    return (FILES,) if action.metavar in ("PATH", "FILE", "DIR") else ()


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script."""
    return SCRIPTS[shell](list(levels(parser)))


WALK = """\
    local word at= before=
    for word in {words}; do
        case "$at/$word" in
            {steps}) at=${{at:+$at }}$word ;;
        esac
        [[ $word = = ]] || before=$word
    done
"""


def _walk(found: Sequence[Level], words: str) -> str:
    """Which command the words before the cursor name, and the last of them."""
    steps = "|".join(f'"{level.path}/{name}"' for level in found for name in level.commands)
    return WALK.format(words=words, steps=steps)


def _bash(found: Sequence[Level]) -> str:
    lines = [
        "# bash completion for navilab",
        "_navilab() {",
        "    local current=${COMP_WORDS[COMP_CWORD]} words=",
        "    [[ $current != = ]] || current=  # bash makes three words of --option=value",
        _walk(found, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"').rstrip(),
        '    case "$at/$before" in',
    ]
    for level in found:
        for option, values in level.values.items():
            offer = f"_navilab_offer {shlex.quote(' '.join(_known(values)))}"
            lines.append(f"        {shlex.quote(f'{level.path}/{option}')}) {offer}; return ;;")
    lines += ["    esac", '    case "$at" in']
    for level in found:
        lines.append(
            f"        {shlex.quote(level.path)}) words={shlex.quote(' '.join(level.words))}; "
            f"[[ $current == -* ]] && words={shlex.quote(' '.join(level.options))} ;;"
        )
    lines += [
        "    esac",
        '    _navilab_offer "$words"',
        "}",
        "_navilab_offer() {",
        '    COMPREPLY=($(compgen -W "$1" -- "$current"))',
        "}",
        "complete -o bashdefault -o default -F _navilab navilab",
        "",
    ]
    return "\n".join(lines)


def _zsh(found: Sequence[Level]) -> str:
    lines = [
        "#compdef navilab",
        "_navilab() {",
        "    local -a words_here options_here",
        _walk(found, '"${(@)words[2,CURRENT-1]}"').rstrip(),
        '    case "$at/$before" in',
    ]
    for level in found:
        for option, values in level.values.items():
            known = _known(values)
            offer = f"compadd -- {shlex.join(known)}" if known else "_files" if values else "_message value"
            lines.append(f"        {shlex.quote(f'{level.path}/{option}')}) {offer}; return ;;")
    lines += ["    esac", '    case "$at" in']
    for level in found:
        lines.append(
            f"        {shlex.quote(level.path)}) words_here=({_described(level.words)}); "
            f"options_here=({_described(level.options)}) ;;"
        )
    lines += [
        "    esac",
        "    if [[ $PREFIX == -* ]]; then _describe -o option options_here",
        "    elif (( $#words_here )); then _describe command words_here",
        "    else _files; fi",
        "}",
        "compdef _navilab navilab",
        "",
    ]
    return "\n".join(lines)


def _described(words: dict[str, str]) -> str:
    return " ".join(shlex.quote(f"{word}:{_plain(text)}") for word, text in words.items())


def _fish(found: Sequence[Level]) -> str:
    steps = " ".join(shlex.quote(f"{level.path}/{name}") for level in found for name in level.commands)
    lines = [
        "# fish completion for navilab",
        "function __navilab_at",
        "    set -l path",
        "    for word in (commandline -opc)[2..]",
        f'        contains -- "$path/$word" {steps}; and set path (string trim -- "$path $word")',
        "    end",
        '    test "$path" = "$argv[1]"',
        "end",
    ]
    for level in found:
        at = f"complete -c navilab -n {shlex.quote(f'__navilab_at {_fish_word(level.path)}')}"
        lines += [f"{at} -f -a {_fish_word(name)} -d {_fish_word(_plain(text))}" for name, text in level.words.items()]
        for option, text in level.options.items():
            kind = "-l" if option.startswith("--") else "-s"
            line = f"{at} {kind} {option.lstrip('-')} -d {_fish_word(_plain(text))}"
            if option in level.values:
                known = " ".join(_known(level.values[option]))
                files = FILES in level.values[option]
                line += " -r" + ("" if files else " -f") + (f" -a {_fish_word(known)}" if known else "")
            lines.append(line)
    return "\n".join([*lines, ""])


def _fish_word(text: str) -> str:
    """Quoted for fish, whose quotes know two escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _plain(text: str) -> str:
    """A description in one line, without what argparse or zsh would read as more."""
    return " ".join(text.replace("%%", "%").replace(":", " -").split())


SCRIPTS: dict[str, Callable[[Sequence[Level]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
