"""The command `avassist`: words to settings, results to files, progress to stderr.

Knows no analysis: it reads, calls the pipeline, and writes. stdout is the result, stderr the progress.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click  # all else is imported by the command that needs it: --help must come at once

if TYPE_CHECKING:
    from otio_avassist.batch import Executor, Plan, Planned, Result, Work
    from otio_avassist.farm import Cluster
    from otio_avassist.pipeline import Settings, Shared

SIDECAR_HELP = "NAME.avassist.json of the earlier run, where the editor exported under another name."
MARKERS_ALONE = {".srt", ".vtt", ".csv"}
"""Files beside timelines that can be read as some: subtitles, lists of markers, reports."""
SHOWN = 4
"""Outputs that are named where folders are kept."""
MAYBE_FILES = ("speech", "prime")
"""Options that may name a file, or say something else."""
FOUND_NOTHING = 3
FAILED = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="otio-avassist")
def avassist() -> None:
    """Put sound back in step, say what happens, and make sounds, on any timeline that OpenTimelineIO reads.

    Your timeline is never changed in place unless you say so: a copy is mended, and a report says what was
    found, how sure it is, and what was done.

    \b
    Exit codes: 0 done · 1 failed · 2 wrong usage · 3 looked, but stands for nothing · 4 no such device
    """
    # The command reads and writes through OpenTimelineIO, whose hooks would do its work a second time.
    os.environ["AVASSIST_HOOKS"] = "off"


A_PATH = click.Path(path_type=Path)
EDL_RATE = click.option(
    "--edl-rate", type=click.FloatRange(0, min_open=True), metavar="FPS",
    help="Frames per second of EDLs, which don't say them.  [default: as their timecodes look]",
)  # fmt: skip

SHARED_OPTIONS = (
    click.argument("inputs", metavar="INPUT...", nargs=-1),
    click.option("-i", "--input", "more_inputs", multiple=True, hidden=True),
    click.option(
        "-o", "--output", metavar="OUTPUT",
        help="The timeline that comes out; a folder for many inputs; - for stdout.",
    ),
    click.option("--in-place", is_flag=True, help="Replace the input by what comes out."),
    click.option(
        "--report", "reports", multiple=True, metavar="FILE",
        help="Write a report: .json, .csv or .html; repeatable.",
    ),
    click.option("--dry-run", is_flag=True, help="Look and report; write no timeline."),
)  # fmt: skip
LOOKING_OPTIONS = (
    click.option(
        "--media-root", multiple=True, type=A_PATH,
        help="Look here for media that isn't where the timeline says; repeatable.",
    ),
    click.option(
        "--map", "path_map", multiple=True, metavar="OLD=NEW",
        help="Media under OLD lies under NEW here (Windows paths too); repeatable.",
    ),
    EDL_RATE,
    click.option("--bundle", type=A_PATH, help="Folder of the network to ask."),
    click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
    ),
)  # fmt: skip
SYNC_OPTIONS = (
    click.option("--propose", is_flag=True, help="Only mark what was found; move nothing."),
    click.option(
        "--detach", is_flag=True,
        help="Sound inside a picture clip may get a clip of its own, to be moved.",
    ),
    click.option(
        "--fix", metavar="drift,jumps",
        help="Also mend sound that drifts, by its speed, or jumps, by cuts; else they are marked.",
    ),
    click.option(
        "--thorough", is_flag=True, default=None,
        help="Look at all of a long recording, not only until the answer is settled.",
    ),
    click.option(
        "--min-confidence", type=click.FloatRange(0, 1), default=0.8, show_default=True,
        help="Below it sound out of step is marked, not moved.",
    ),
    click.option(
        "--max-offset", type=click.FloatRange(0.2, 30), default=2.0, show_default=True, metavar="S",
        help="Search sound against picture this far to either side.",
    ),
)  # fmt: skip
CAPTION_OPTIONS = (
    click.option(
        "--per-minute", type=click.FloatRange(0, min_open=True), default=12.0, show_default=True,
        metavar="N", help="No more captions than that.",
    ),
    click.option(
        "--levels", default="scene,event", show_default=True, metavar="scene,event",
        help="What to speak of, separated by commas.",
    ),
    click.option(
        "--beam", type=click.IntRange(1, 16), default=1, show_default=True, metavar="N",
        help="Sentences weighed against one another while they are made; more is slower.",
    ),
    click.option(
        "--on", type=click.Choice(["timeline", "clip"]), default="timeline", show_default=True,
        help="Where markers stand; those on clips go where the clips go.",
    ),
    click.option(
        "--speech", default="auto", show_default=True, metavar="auto|none|FILE",
        help="Spoken words: of subtitles beside the media or of a speech model; none; or of this file.",
    ),
    click.option("--say-speech", is_flag=True, help="Mark what is said, too."),
    click.option(
        "--speech-model", type=click.Path(path_type=Path, exists=True), metavar="PATH",
        help="Folder of a speech model.",
    ),
    click.option(
        "--proposals", type=click.Path(path_type=Path, exists=True), metavar="FILE",
        help="Take the stretches to describe from this file instead of finding them.",
    ),
)  # fmt: skip
FOLEY_OPTIONS = (
    click.option(
        "--takes", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N",
        help="Sounds to choose from, the best one first.",
    ),
    click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N",
        help="Another number makes other sounds, the same one the same.",
    ),
    click.option("--sound", metavar="NAME", help="Make this sound, whatever the picture asks for."),
    click.option(
        "--library", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
        help="Take sounds from this folder instead of making them.",
    ),
    click.option(
        "--which", type=click.Choice(["silent", "all"]),
        help="Pictures with nothing to hear under them, or all.  [default: silent; all of what is named]",
    ),
    click.option(
        "--track", multiple=True, metavar="NAME", help="Only pictures on this track; repeatable."
    ),
    click.option("--clip", multiple=True, metavar="NAME", help="Only this clip; repeatable."),
    click.option(
        "--marker", multiple=True, metavar="NAME", help="Only under markers of this name; repeatable."
    ),
    click.option(
        "--prime", metavar="START-END|FILE",
        help="More of this: the sound at these times of the timeline, or of this file.",
    ),
    click.option(
        "--loudness", default="auto", show_default=True, metavar="auto|LUFS",
        help="As loud as what is around, or so loud.",
    ),
    click.option(
        "--no-sync-check", "sync_check", is_flag=True, flag_value=False, default=True,
        help="Don't ask whether takes are in step with their picture.",
    ),
    click.option(
        "--foley-dir", type=A_PATH, metavar="DIR",
        help="Folder for the sounds.  [default: NAME.foley beside the output]",
    ),
)  # fmt: skip
LAST_OPTIONS = (
    click.option(
        "--accepted",
        "accepted_only",
        is_flag=True,
        help="Do only what a person has accepted, in the panel or before; the rest waits.",
    ),
    click.option("--sidecar", type=A_PATH, metavar="FILE", help=SIDECAR_HELP),
    click.option("--strict", is_flag=True, help="End with 3 when anything is doubtful or was skipped."),
    click.option("--no-cache", is_flag=True, help="Neither use nor keep what was found; see avassist cache."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no table."),
)
BATCH_OPTIONS = (
    click.option(
        "--jobs", type=click.IntRange(1), metavar="N",
        help="Timelines at once, which share the cores.  [default: one for two cores]",
    ),
    click.option(
        "--resume", is_flag=True, help="Leave out what an earlier run finished and nobody has changed."
    ),
    click.option(
        "--keep-going/--stop-early", default=True, show_default=True,
        help="After a timeline that can't be done, go on with the others.",
    ),
    click.option(
        "--below", type=A_PATH, metavar="DIR",
        help="In the folder of -o, keep the folders that timelines lie in below this one."
        "  [default: none; of all of them where two are called the same]",
    ),
    click.option("--plan", "only_plan", is_flag=True, help="Say what there is to do, and do nothing."),
    click.option(
        "--watch", type=A_PATH, metavar="DIR",
        help="Do each timeline that appears in this folder, once it is whole, until stopped.",
    ),
    click.option(
        "--scheduler", metavar="tcp://HOST:PORT",
        help="Have the workers of this Dask scheduler do it; --map says what files are called there.",
    ),
    click.option(
        "--openjd", type=A_PATH, metavar="FILE",
        help="Write this as an Open Job Description template, .json or .yaml, for a farm; do nothing.",
    ),
)  # fmt: skip


def _options(*groups: Sequence[Callable]) -> Callable:
    """One decorator for the options of several groups, shown in this order."""

    def decorate(command: Callable) -> Callable:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


@avassist.command(name="sync")
@_options(SHARED_OPTIONS, LOOKING_OPTIONS, SYNC_OPTIONS, LAST_OPTIONS)
@click.pass_context
def sync_command(context: click.Context, **options: Any) -> None:
    """Find sound that is out of step with its picture, and slip it back."""
    context.exit(_run_all(tasks=("sync",), **options))


@avassist.command(name="captions")
@_options(SHARED_OPTIONS, LOOKING_OPTIONS, CAPTION_OPTIONS, LAST_OPTIONS)
@click.pass_context
def captions_command(context: click.Context, **options: Any) -> None:
    """Say what happens, in sentences, as markers where it happens.

    \b
    Colours: blue seen · green heard · purple seen and heard · cyan said
    """
    context.exit(_run_all(tasks=("captions",), **options))


@avassist.command(name="foley")
@_options(SHARED_OPTIONS, LOOKING_OPTIONS, FOLEY_OPTIONS, LAST_OPTIONS)
@click.pass_context
def foley_command(context: click.Context, **options: Any) -> None:
    """Make sounds for pictures that have none, on sound tracks of their own.

    \b
    --track, --clip and --marker take a name; tracks and clips also an index, from 0, as reports count.
    What several of them say must all hold.
    """
    context.exit(_run_all(tasks=("foley",), **options))


@avassist.command()
@click.option(
    "--tasks", default="sync", show_default=True, metavar="sync,captions,foley",
    help="Which, separated by commas.",
)  # fmt: skip
@_options(
    SHARED_OPTIONS, BATCH_OPTIONS, LOOKING_OPTIONS, SYNC_OPTIONS, CAPTION_OPTIONS, FOLEY_OPTIONS, LAST_OPTIONS
)
@click.pass_context
def run(context: click.Context, tasks: str, watch: Path | None, openjd: Path | None, **options: Any) -> None:
    """Run several tasks over one or many timelines, folders, or media files.

    Many timelines are planned first, and media that several of them use is looked at once.
    """
    wanted = tuple(filter(None, map(str.strip, tasks.split(","))))
    if openjd is not None:
        _write_openjd(openjd, context, tasks=wanted, **options)
        return
    if watch is not None:
        context.exit(_watch(watch, tasks=wanted, **options))
    context.exit(_run_all(tasks=wanted, **options))


@avassist.command()
@click.argument("input_", metavar="[INPUT]", required=False)
@click.option("-o", "--output", metavar="OUTPUT", help="Where what was accepted goes; asked for otherwise.")
@click.option(
    "--tasks", default="sync", show_default=True, metavar="sync,captions,foley",
    help="What to look for, separated by commas.",
)  # fmt: skip
@_options(LOOKING_OPTIONS, SYNC_OPTIONS, CAPTION_OPTIONS, FOLEY_OPTIONS)
@click.option("--sidecar", type=A_PATH, metavar="FILE", help=SIDECAR_HELP)
@click.pass_context
def review(
    context: click.Context,
    input_: str | None,
    output: str | None,
    tasks: str,
    sidecar: Path | None,
    **options: Any,
) -> None:
    """Go through what is found in a window: see it, hear it, accept or reject it."""
    from otio_avassist.errors import AvAssistError

    try:
        from otio_avassist.panel.app import open_panel
    except ImportError as error:
        raise AvAssistError(
            f"the panel needs PySide6 and pyqtgraph: pip install 'otio-avassist[panel]' ({error})"
        ) from error
    wanted = tuple(filter(None, map(str.strip, tasks.split(","))))
    # Sounds stand beside what comes out, wherever that is going to be said.
    settings = _settings(input_ or "", output or input_, tasks=wanted, strict=False, **options)
    context.exit(open_panel(input_, settings, output=output, sidecar=sidecar))


@avassist.command()
@click.argument("input_", metavar="INPUT")
@click.option("-o", "--output", required=True, metavar="OUTPUT", help="- for stdout.")
@click.option("--sidecar", type=click.Path(path_type=Path), metavar="FILE", help=SIDECAR_HELP)
@EDL_RATE
def strip(input_: str, output: str, sidecar: Path | None, edl_rate: float | None) -> None:
    """Take back all that avassist ever put in, and restore what it moved."""
    from otio_avassist import batch, edits, files

    files.check_writable(output)
    root = files.read(input_, edl_rate=edl_rate)
    stripped = edits.strip(root, batch.record(sidecar, input_))
    files.write(stripped.timeline, output)
    if not stripped.restored and not stripped.could_not:
        click.echo(f"{input_}: nothing of avassist's is in it, nor in a sidecar beside it", err=True)
    for line in stripped.restored:
        click.echo(line, err=True)
    for line in stripped.could_not:
        click.echo(f"could not restore: {line}", err=True)


@avassist.command()
@click.argument("input_", metavar="INPUT")
@click.option("--for", "editor", required=True, type=click.Choice(["resolve", "premiere", "kdenlive"]))
@EDL_RATE
@click.pass_context
def check(context: click.Context, input_: str, editor: str, edl_rate: float | None) -> None:
    """Say what an editor would refuse or drop of a timeline."""
    from otio_avassist import check as checks
    from otio_avassist import files

    problems = checks.check(files.read(input_, edl_rate=edl_rate), editor)
    if Path(input_).suffix.lower() in (".otio", ".json"):
        problems += checks.check_text(files.read_text(Path(input_)), editor)
    for problem in problems:
        click.echo(f"{problem.where}: {problem.what} → {problem.remedy}")
    if not problems:
        click.echo(f"nothing that {editor.capitalize()} is known to refuse or drop")
    context.exit(FOUND_NOTHING if problems else 0)


@avassist.command(name="resolve")
@click.option("--install", "wanted", flag_value="install", help="Put the entries there, or put them anew.")
@click.option("--remove", "wanted", flag_value="remove", help="Take them away again.")
@click.option(
    "--to", "folder", type=A_PATH, metavar="DIR", help="Folder of scripts, where it isn't Resolve's own."
)
@click.option(
    "--work", type=A_PATH, default=Path("~/avassist"), show_default=True, metavar="DIR",
    help="Where exports, reports and made sounds will lie, a folder for each project.",
)  # fmt: skip
def resolve_command(wanted: str | None, folder: Path | None, work: Path) -> None:
    """Put avassist into the menu of DaVinci Resolve Studio: Workspace > Scripts."""
    from otio_avassist.resolve import installing

    folder = folder or installing.scripts_folder()
    if wanted == "install":
        for path in installing.install(folder, work):
            click.echo(f"written: {path}")
        click.echo("in Resolve: Workspace > Scripts; what they say stands in Workspace > Console")
    elif wanted == "remove":
        for path in installing.remove(folder):
            click.echo(f"removed: {path}")
    else:
        there = installing.installed(folder)
        for path in there:
            click.echo(f"there: {path}")
        if not there:
            click.echo(f"nothing of avassist's is in {folder}; avassist resolve --install puts it there")


@avassist.command()
@click.argument("media", metavar="MEDIA...", nargs=-1, required=True, type=A_PATH)
@click.option("--json", "as_json", is_flag=True, help="The same, for machines.")
@click.option(
    "--measure", is_flag=True,
    help="Train a network to find where crops of this media begin, and say how often it does; takes minutes.",
)  # fmt: skip
@click.pass_context
def probe(context: click.Context, media: tuple[Path, ...], as_json: bool, measure: bool) -> None:
    """Say what the encoding of media tells a network that would learn from it.

    \b
    MEDIA are files, or folders of them. Codecs leave traces in time: where key frames stand, where the
    frames of sound begin.
    """
    context.exit(_probe(media, as_json=as_json, measure=measure))


def _run_all(
    inputs: Sequence[str],
    more_inputs: Sequence[str],
    output: str | None,
    in_place: bool,
    reports: Sequence[str],
    dry_run: bool,
    quiet: bool,
    no_cache: bool = False,
    jobs: int | None = 1,
    resume: bool = False,
    keep_going: bool = True,
    below: Path | None = None,
    only_plan: bool = False,
    scheduler: str | None = None,
    **options: Any,
) -> int:
    from dataclasses import replace

    from otio_avassist import batch, cache, pipeline
    from otio_avassist.errors import UsageError

    wanted = _from_and_to([*inputs, *more_inputs], output, in_place, dry_run, reports, below)
    alone = len(wanted) == 1 and not (resume or only_plan or scheduler)
    shared = pipeline.Shared(None if no_cache else cache.opened())
    works = [_work(source, target, reports if alone else (), **options) for source, target in wanted]
    if alone:
        _make_folders(wanted)
        return _run_one(works[0], shared, quiet)
    if resume and shared.store is None:
        raise UsageError(
            "--resume asks what earlier runs have kept, and nothing is: without --no-cache, please"
        )
    if scheduler and jobs is not None:
        raise UsageError("--jobs is for this machine; a --scheduler has as many at once as it has workers")
    if scheduler and any("-" in each for each in wanted):
        raise UsageError("workers of a --scheduler have neither this standard input nor this output")
    planned = batch.plan(works, shared, resume=resume, at_once=jobs or batch.jobs_at_once(len(works)))
    with _cluster(scheduler, planned, keep=not no_cache) as cluster:
        planned = replace(planned, at_once=cluster.at_once) if cluster is not None else planned
        if only_plan:
            click.echo("\n".join([*planned.lines(), *_kept_apart(wanted)]))
            return FAILED if any(each.state == "unreadable" for each in planned.timelines) else 0
        _make_folders(wanted)
        if not quiet:
            for line in _kept_apart(wanted):
                click.echo(line, err=True)
        return _run_batch(planned, shared, reports, cluster, quiet=quiet, keep_going=keep_going)


def _from_and_to(
    inputs: Sequence[str],
    output: str | None,
    in_place: bool,
    dry_run: bool,
    reports: Sequence[str],
    below: Path | None,
) -> list[tuple[str, str | None]]:
    """Each timeline, and what comes out of it: None of a dry run."""
    from otio_avassist import batch
    from otio_avassist.errors import UsageError

    sources = _timelines(inputs)
    _check_outputs(sources, output, in_place, dry_run, reports)
    folder = Path(output) if output is not None and Path(output).is_dir() else None
    if below is not None and folder is None:
        raise UsageError("--below says which folders to keep in that of -o, and wants one that exists")
    targets: Sequence[str | None] = [source if in_place else output for source in sources]
    if folder is not None:
        targets = batch.targets(sources, folder, below)
    _check_targets(sources, targets, reports, in_place=in_place, in_folder=folder is not None)
    return list(zip(sources, targets, strict=True))


def _kept_apart(wanted: Sequence[tuple[str, str | None]]) -> list[str]:
    """Says where timelines go that keep their folders."""
    moved = [
        to for source, to in wanted if to is not None and Path(to).parent != Path(wanted[0][1] or "").parent
    ]
    if not moved:
        return []
    some = [str(wanted[0][1]), *moved][:SHOWN]
    more = ", …" if len(moved) + 1 > SHOWN else ""
    return [f"folders are kept: {', '.join(some)}{more}"]


def _make_folders(wanted: Sequence[tuple[str, str | None]]) -> None:
    """Those that are kept of where timelines lie; the output's own is there."""
    from otio_avassist.errors import OutputError

    for folder in {Path(target).parent for _, target in wanted if target not in (None, "-")}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: can't be made: {error.strerror or error}") from error


@contextlib.contextmanager
def _cluster(scheduler: str | None, planned: Plan, *, keep: bool) -> Iterator[Cluster | None]:
    """The workers of a scheduler; None where none was named."""
    if scheduler is None:
        yield None
        return
    from otio_avassist import farm
    from otio_avassist.console import say

    with contextlib.closing(farm.Cluster(scheduler, planned, keep=keep, tell=say)) as cluster:
        yield cluster


def _write_openjd(
    path: Path,
    context: click.Context,
    *,
    inputs: Sequence[str],
    more_inputs: Sequence[str],
    output: str | None,
    in_place: bool,
    dry_run: bool,
    strict: bool,
    accepted_only: bool,
    sidecar: Path | None,
    below: Path | None,
    **options: Any,
) -> None:
    """The run that was asked for, as a job of a farm with a task for each timeline."""
    from otio_avassist import batch, files, openjd
    from otio_avassist.errors import UsageError

    for name in ("reports", "jobs", "only_plan", "scheduler", "sidecar", "watch"):
        if context.params[name]:
            raise UsageError(
                f"{_spelt(context, name)}: each task of --openjd is a run of one timeline by itself"
            )
    wanted = _from_and_to([*inputs, *more_inputs], output, in_place, dry_run, (), below)
    for unused in ("reports", "jobs", "only_plan", "scheduler", "resume", "keep_going", "no_cache", "quiet"):
        options.pop(unused)
    # What can't be meant is refused here rather than on the farm.
    _settings(*wanted[0], strict=strict, **options)
    words = _words(context, without=("inputs", "more_inputs", "output", "openjd", "below"))
    sources = [source for source, _ in wanted]
    # Each task sees one timeline, and must be told what they have in common.
    if below is None and batch.called_alike(sources) and output is not None:
        below = batch.holds_all(sources)
    files.write_text(path, openjd.template(path, sources, output, words, options["tasks"], below=below))
    click.echo(f"written: {path}, with {len(sources)} tasks", err=True)


def _spelt(context: click.Context, name: str) -> str:
    """An option of the command that is running, as it is typed."""
    return next(each.opts[-1] for each in context.command.params if each.name == name)


def _words(context: click.Context, without: Sequence[str]) -> list[str]:
    """The options that were typed, so that they can be typed elsewhere: files by their full names."""
    words: list[str] = []
    for each in context.command.params:
        name = each.name or ""
        typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if not isinstance(each, click.Option) or not typed or name in without:
            continue
        value = context.params[name]
        if each.is_flag:
            words.append(each.secondary_opts[-1] if each.secondary_opts and not value else each.opts[-1])
            continue
        for one in value if each.multiple else (value,):
            is_file = isinstance(one, Path) or (name in MAYBE_FILES and Path(one).exists())
            words += [each.opts[-1], str(Path(one).absolute() if is_file else one)]
    return words


def _work(
    source: str,
    target: str | None,
    reports: Sequence[str],
    *,
    strict: bool,
    accepted_only: bool,
    sidecar: Path | None,
    **options: Any,
) -> Work:
    from otio_avassist import batch

    settings = _settings(source, target, strict=strict, **options)
    return batch.Work(source, target, settings, sidecar, accepted_only, tuple(reports))


def _run_one(work: Work, shared: Shared, quiet: bool) -> int:
    """Run over one timeline, and show what was found."""
    from otio_avassist import batch, files
    from otio_avassist.console import progress_bar, show

    with progress_bar(quiet=quiet) as progress:
        done = batch.run_one(work, shared, progress)
    for lost in done.lost:
        click.echo(f"avassist: {lost}", err=True)
    if not quiet:
        show(done.report, to_stderr=work.target == files.STDIO)
    if done.report.all_abstained or (work.settings.strict and done.report.doubtful):
        return FOUND_NOTHING
    return 0


def _run_batch(
    planned: Plan,
    shared: Shared,
    reports: Sequence[str],
    cluster: Cluster | None,
    *,
    quiet: bool,
    keep_going: bool,
) -> int:
    """Run over many timelines: a line for each, and one report of all."""
    from otio_avassist import batch
    from otio_avassist.console import batch_bar, say
    from otio_avassist.errors import CancelledError

    if not quiet:
        for line in planned.lines():
            say(line)
    written: list[str] = []
    with batch_bar(planned, quiet=quiet) as (tell, progress):
        to_do = sum(each.state in ("new", "cached") for each in planned.timelines)
        at_once = min(planned.at_once, max(1, to_do))
        executor: Executor = batch.Here(shared, progress)
        if cluster is not None:
            executor = cluster
        elif at_once > 1:
            executor = batch.Processes(shared.store, at_once)

        def told(each: Planned, result: Result) -> None:
            written.extend([result["output"]] if result["output"] else [])
            tell(each, result)

        try:
            results = batch.run(planned, executor, store=shared.store, keep_going=keep_going, tell=told)
        except (KeyboardInterrupt, CancelledError) as stop:
            if not written:
                raise
            raise CancelledError(f"stopped; written before that: {', '.join(written)}") from stop
        finally:
            executor.close()
    for lost in (lost for each in results for lost in each.get("lost", ())):
        click.echo(f"avassist: {lost}", err=True)
    for path in reports:
        batch.write_report(results, Path(path), planned)
    if not quiet:
        click.echo(batch.summary_line(results), err=True)
    if len(results) < len(planned.timelines) or any(each["state"] == "failed" for each in results):
        return FAILED
    strict = planned.timelines[0].work.settings.strict
    wanting = any(each["abstained"] or (strict and each["doubtful"]) for each in results)
    return FOUND_NOTHING if wanting else 0


def _watch(folder: Path, output: str | None, inputs: Sequence[str], **options: Any) -> int:
    """Do what appears in a folder, until somebody stops it."""
    from otio_avassist import batch
    from otio_avassist.console import say
    from otio_avassist.errors import AvAssistError, UsageError

    # What may yet come can't be known: of all, folders are kept.
    options["below"] = options["below"] or folder
    if output is None or not Path(output).is_dir() or inputs or options["more_inputs"]:
        raise UsageError("--watch DIR takes its timelines from there, and wants a folder that exists as -o")
    if Path(output).resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{output}: lies in {folder}, and what comes out would go in again")
    code = 0
    try:
        for new in batch.arrivals(folder, _suffixes()):
            # Each by itself: one that can't be done holds up none of the others.
            for name in new:
                try:
                    code = max(code, _run_all([name], output=output, **options))
                except AvAssistError as error:
                    say(f"avassist: {error}")
                    code = FAILED
    except KeyboardInterrupt:
        say("stopped watching")
    return code


def _settings(
    source: str,
    target: str | None,
    *,
    tasks: tuple[str, ...],
    media_root: Sequence[Path],
    path_map: Sequence[str],
    edl_rate: float | None,
    bundle: Path | None,
    device: str,
    strict: bool,
    propose: bool = False,
    detach: bool = False,
    min_confidence: float = 0.8,
    max_offset: float = 2.0,
    **words: Any,
) -> Settings:
    from otio_avassist import config, files, pipeline
    from otio_avassist.errors import UsageError

    for pair in path_map:
        if "=" not in pair:
            raise UsageError(f"--map {pair}: wanted OLD=NEW")
    said = config.converted({key: word for key, word in words.items() if word is not None}, "the command")
    folder = files.foley_folder_of(target) if target is not None else None
    return pipeline.Settings(
        tasks=tasks,
        base_dir=Path.cwd() if source == files.STDIO else Path(source).resolve().parent,
        media_root=tuple(media_root),
        path_map=tuple((old, new) for old, _, new in (pair.partition("=") for pair in path_map)),
        edl_rate=edl_rate,
        bundle=bundle,
        device=device,
        propose=propose,
        detach=detach,
        fix=said.get("fix", ()),
        min_confidence=min_confidence,
        strict=strict,
        sync=config.sync_options(said | {"max_offset": max_offset}),
        captions=config.caption_options(said),
        foley=config.foley_options(said, folder, dry_run=target is None),
        wish=config.wish(said),
        prime=said.get("prime"),
        output_dir=Path(target).resolve().parent if target not in (None, files.STDIO) else None,
    )


def _timelines(inputs: Sequence[str]) -> list[str]:
    """The inputs, with folders and patterns replaced by the timelines that they mean."""
    from otio_avassist.batch import expanded
    from otio_avassist.errors import UsageError

    if not inputs:
        raise UsageError("no input: wanted a timeline, a media file, or a folder of timelines")
    found: list[str] = []
    for name in (each for pattern in inputs for each in expanded(pattern)):
        if Path(name).is_dir() and Path(name).suffix != ".otiod":
            found += _in_folder(Path(name))
        else:
            found.append(name)
    return found


def _in_folder(folder: Path) -> list[str]:
    from otio_avassist.errors import UsageError

    suffixes = _suffixes()
    names = sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not names:
        raise UsageError(f"{folder}: no timeline in this folder; wanted one of {', '.join(sorted(suffixes))}")
    return names


def _suffixes() -> set[str]:
    """Of timelines that can be read."""
    import opentimelineio as otio

    readable = otio.adapters.suffixes_with_defined_adapters(read=True)
    return {f".{suffix}" for suffix in readable} - MARKERS_ALONE


def _check_outputs(
    sources: Sequence[str], output: str | None, in_place: bool, dry_run: bool, reports: Sequence[str]
) -> None:
    from otio_avassist.adapters.report import check_name
    from otio_avassist.errors import UsageError

    if sum((output is not None, in_place, dry_run)) != 1:
        raise UsageError("say where the result goes: one of -o OUTPUT, --in-place, --dry-run")
    if in_place and "-" in sources:
        raise UsageError("--in-place can't replace standard input; use -o -")
    if output is not None and len(sources) > 1 and not Path(output).is_dir():
        raise UsageError(f"{output}: many inputs need a folder that exists as output")
    if output not in (None, "-") and len(sources) == 1 and _same_file(sources[0], str(output)):
        raise UsageError(f"{output}: is the input itself; say --in-place if you mean it")
    for report in reports:
        check_name(Path(report))


def _check_targets(
    sources: Sequence[str],
    targets: Sequence[str | None],
    reports: Sequence[str],
    *,
    in_place: bool,
    in_folder: bool,
) -> None:
    """Refuse now, rather than after an hour of work, what can't be written or would overwrite itself."""
    from otio_avassist import files
    from otio_avassist.errors import UsageError

    inputs = {Path(source).resolve() for source in sources}
    taken: dict[str, str] = {}
    for source, target in zip(sources, targets, strict=True):
        if target is None:
            continue
        files.check_writable(target)
        if target == files.STDIO:
            continue
        if not in_place and Path(target).resolve() in inputs:
            raise UsageError(f"{target}: is an input itself; say --in-place if you mean it")
        # In a folder that is there, those that are kept are made.
        if not in_folder or Path(target).parent.exists():
            files.check_folder(target)
        if taken.setdefault(target, source) != source:
            raise UsageError(
                f"{target}: {taken[target]} and {source} would both be written there; run them apart"
            )
    for report in reports:
        files.check_folder(report)


def _same_file(one: str, other: str) -> bool:
    return Path(one).exists() and Path(other).exists() and Path(one).samefile(other)


@avassist.command(name="cache")
@click.argument("action", type=click.Choice(["stats", "prune"]), default="stats")
@click.option(
    "--to", "most_mb", type=click.FloatRange(0), metavar="MB", help="Prune to so much; 0: all of it."
)
@click.option(
    "--older-than", "days", type=click.FloatRange(0), metavar="DAYS",
    help="Prune what nobody asked for in so long.",
)  # fmt: skip
def cache_command(action: str, most_mb: float | None, days: float | None) -> None:
    """Say how much is kept of earlier runs, and where, or let some of it go.

    Nothing kept is ever needed: without it, media is looked at again.
    """
    from otio_avassist import cache

    store = cache.opened()
    if store is None:
        click.echo(f"nothing is kept: ${cache.VARIABLE} is off")
        return
    if action == "prune":
        to = None if most_mb is None else round(most_mb * 1e6)
        gone = store.prune(to, older_than_s=None if days is None else days * 86400)
        click.echo(f"let go: {gone.files} answers, {gone.bytes / 1e6:.1f} MB")
    stats = store.stats()
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(stats.kinds.items())) or "nothing"
    click.echo(f"{store.folder}: {kinds}; {stats.bytes / 1e6:.1f} of {store.most_bytes / 1e6:.0f} MB")


@avassist.command(name="bundles")
@click.argument("action", type=click.Choice(["list", "check", "fetch"]), default="list")
@click.argument("what", required=False, metavar="[FOLDER|NAME]")
@click.pass_context
def bundles_command(context: click.Context, action: str, what: str | None) -> None:
    """List the networks that are installed, check them against their cards, or fetch one by name."""
    if action == "fetch":
        _fetch(what)
        return
    from otio_avassist import bundles
    from otio_avassist.errors import BundleError

    folders = [Path(what)] if what else [each.folder for each in bundles.listing()]
    failed = False
    for each in folders:
        try:
            card = bundles.Card.read(each)
            if action == "check":
                for graph in card.graphs:
                    bundles.load(each, device="cpu", graph=graph)
        except BundleError as error:
            click.echo(f"{each}: {error}")
            failed = True
        else:
            click.echo(
                f"{card.task}: {card.network} {card.version} in {each}" + (": ok" * (action == "check"))
            )
    if not folders:
        click.echo(f"no bundle: neither in ${bundles.VARIABLE} nor in the plugin")
    context.exit(FAILED if failed else 0)


def _fetch(name: str | None) -> None:
    """Bring one network of the catalogue, or say what there is."""
    from otio_avassist import fetch
    from otio_avassist.catalogue import CATALOGUE

    if name is None:
        for each in CATALOGUE.values():
            click.echo(f"{each.describe()}; to get it: {each.how}")
        return
    wanted = fetch.entry(name)
    click.echo(wanted.describe(), err=True)
    click.echo(fetch.into_folder(wanted))


@avassist.command()
@click.option(
    "--manifest", type=click.Path(path_type=Path), metavar="FILE",
    help="Write a plugin manifest with absolute paths, for OTIO_PLUGIN_MANIFEST_PATH.",
)  # fmt: skip
def doctor(manifest: Path | None) -> None:
    """Show versions, plugins, bundles, and the device that would really run."""
    from otio_avassist import console, diagnosis, files, plugin

    if manifest is not None:
        files.write_text(manifest, plugin.absolute_manifest())
        click.echo(f"wrote {manifest}")
        return
    for title, rows in diagnosis.examine():
        console.show_rows(title, rows)


@avassist.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.pass_context
def demo(context: click.Context, folder: Path) -> None:
    """Make a small project out of step in FOLDER, mend it, and show that the result is sound."""
    from otio_avassist import console, demo

    timeline = demo.make_demo(folder, progress=console.say)
    mended = folder / "mended.otio"
    context.exit(
        _run_all(
            inputs=[str(timeline)], more_inputs=[], output=str(mended), in_place=False,
            reports=[str(folder / "report.json"), str(folder / "report.html")], dry_run=False, quiet=False,
            tasks=("sync",), media_root=(), path_map=(), edl_rate=None, bundle=None, device="auto",
            strict=False, sidecar=None, accepted_only=False,
        )
        or demo.verify(mended)
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(avassist())


def _probe(media: Sequence[Path], *, as_json: bool, measure: bool) -> int:
    import json

    from otio_avassist import probe as probing
    from otio_avassist.errors import MediaError

    # Before anything else: what can't be measured is known at once.
    words = probing.measuring(media) if measure else None
    found, code = [], 0
    for path in probing.files(media):
        try:
            found.append(probing.traces(path))
        except MediaError as error:
            click.echo(f"avassist: {error}", err=True)
            code = FAILED
        else:
            if not as_json:
                click.echo("\n".join(found[-1].lines()))
    held: dict[str, Any] = {"schema": "avassist-probe.1", "media": [each.to_dict() for each in found]}
    if words is not None:
        held["measured"] = probing.measure(words)
        if not as_json:
            click.echo("\n".join(probing.measured_lines(held["measured"])))
    if as_json:
        click.echo(json.dumps(held, indent=1))
    return code
