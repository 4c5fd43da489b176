"""``alsek completion``."""

from __future__ import annotations

import click

from alsek.cli.command_table import COMMANDS

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help=COMMANDS["completion"].summary)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete `alsek`, its commands and their options.

    \b
        bash: alsek completion bash > ~/.local/share/bash-completion/completions/alsek
        zsh:  alsek completion zsh > "${fpath[1]}/_alsek"
        fish: alsek completion fish > ~/.config/fish/completions/alsek.fish
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(context.find_root().command, {}, "alsek", "_ALSEK_COMPLETE").source())
