"""Report -> one HTML page with its pictures inside, for people.

Nothing is loaded from elsewhere, but for sounds that were made, from beside the timeline, and no script runs.
Every word that comes from a timeline or a file is escaped: clip names are whatever somebody typed.
"""

from __future__ import annotations

import base64
import html
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from otio_avassist import figures
from otio_avassist.adapters.report_json import CHANGES
from otio_avassist.findings import CaptionFinding, FoleyFinding, SyncFinding, Take
from otio_avassist.remedies import LayClip
from otio_avassist.timecodes import timecode

if TYPE_CHECKING:
    from otio_avassist.figures import Pictures
    from otio_avassist.findings import Attention, Evidence
    from otio_avassist.pipeline import Line, Report
    from otio_avassist.spans import Skipped

METHODS = {
    "container": "Start times in the file",
    "timecode": "Embedded timecode",
    "clap": "Clap or 2-pop",
    "sound-to-sound": "Sound against sound",
    "lips": "Lips against voices",
    "sound-to-picture": "Movement against sound",
    "network": "Network",
    "none": "No evidence",
}
# action -> (badge, in the summary, look)
ACTIONS = {
    "slipped": ("moved", "moved", "good"),
    "detached": ("moved, on its own track", "moved onto a track of their own", "good"),
    "marked": ("marked for you", "marked for you", "warn"),
    "in step": ("in step", "in step", "calm"),
    "captioned": ("captioned", "captioned", "good"),
    "laid": ("laid", "laid", "good"),
    "abstained": ("no answer", "without an answer", "calm"),
    "rejected": ("left, as you decided", "left as you decided", "calm"),
    "waiting": ("waits for your yes", "waiting for your yes", "warn"),
}

KEY = '<span class="key"><b class="m">▲ movement</b> <b class="s">▼ sound</b></span>'


def to_html(
    report: Report,
    pictures: Mapping[str, Pictures] = MappingProxyType({}),
    stills: Mapping[str, bytes] = MappingProxyType({}),
    takes: Mapping[str, Sequence[Pictures]] = MappingProxyType({}),
    *,
    folder: Path | None = None,
) -> str:
    """The page as text.

    `pictures` (`figures.gather`), `stills` (`figures.stills`) and `takes` (`figures.takes`) go by finding id;
    a finding that has none is told in words alone. `folder` is where the page is going to stand: sounds are
    named from there.
    """
    name = _text(PurePath(report.input.replace("\\", "/")).name or "Timeline")
    css = resources.files("otio_avassist.adapters").joinpath("report.css").read_text("utf-8")
    cards = "".join(
        _card(report, line, line.finding, number, pictures.get(line.finding.id))
        for number, line in enumerate(report.findings, start=1)
        if isinstance(line.finding, SyncFinding)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: {_about(report)}</title><style>\n{css}</style></head><body>\n"
        f"<header><h1>{name}</h1>"
        f'<p class="lede">{_text(summary(report))}</p><p class="soft">{_where(report)}</p></header>\n'
        f"<main>{_table(report)}{_section('Clip by clip', cards)}{_captions(report, stills)}"
        f"{_foley(report, takes, folder)}{_skipped(report.skipped)}</main>\n"
        f"<footer class='soft'>{_provenance(report)}</footer>\n</body></html>\n"
    )


def summary(report: Report) -> str:
    """How many of what, in one sentence or two."""
    if not report.findings and not report.skipped and not report.looked_at:
        return "This timeline has no clips."
    shots = [line for line in report.findings if isinstance(line.finding, SyncFinding)]
    captions = [(line, line.finding) for line in report.findings if isinstance(line.finding, CaptionFinding)]
    foley = [line for line in report.findings if isinstance(line.finding, FoleyFinding)]
    sentences = []
    if shots or not (captions or foley):
        number = len(shots) or report.looked_at
        sentences.append(_counted(f"{_count(number, 'shot')} looked at", _by_action(shots)))
    if captions:
        by = Counter(found.carried_by for line, found in captions if line.outcome.action == "captioned")
        rejected = len(captions) - sum(by.values())
        told = [f"{by[row]} {row}" for row in figures.ROWS if by[row]]
        told += [f"{rejected} left out as you decided"] if rejected else []
        sentences.append(_counted(_count(len(captions), "caption"), told))
    if foley:
        sentences.append(_counted(_count(len(foley), "sound"), _by_action(foley)))
    if report.skipped:
        sentences.append(f"{_count(len(report.skipped), 'clip')} not looked at.")
    return " ".join(sentences)


def _by_action(lines: Sequence[Line]) -> list[str]:
    counts: Counter[str] = Counter(line.outcome.action for line in lines)
    return [f"{counts[action]} {words}" for action, (_, words, _) in ACTIONS.items() if counts[action]]


def _counted(what: str, told: Sequence[str]) -> str:
    return f"{what}: {', '.join(told)}." if told else f"{what}."


def _about(report: Report) -> str:
    kinds = {type(line.finding) for line in report.findings}
    if kinds == {FoleyFinding}:
        return "sounds that were made"
    return "what happens" if kinds == {CaptionFinding} else "sound and picture"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _where(report: Report) -> str:
    if report.output is None:
        return f"{_text(report.input)} · nothing was written: what follows is what would be done"
    return f"{_text(report.input)} → {_text(report.output)}"


def _table(report: Report) -> str:
    rows = "".join(
        _row(report, line, line.finding, number)
        for number, line in enumerate(report.findings, start=1)
        if isinstance(line.finding, SyncFinding)
    )
    if not rows:
        return ""
    return _section(
        "At a glance",
        '<div class="scroll"><table><thead><tr><th>Clip</th><th>At</th><th class="right">Frames</th>'
        '<th class="right">Sound early by</th><th>Known from</th><th>Sure</th><th></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
    )


def _row(report: Report, line: Line, finding: SyncFinding, number: int) -> str:
    lead = finding.shot.lead
    early_s = finding.audio_early_s
    frames = "–" if early_s is None else _signed(early_s * report.rate, 1)
    milliseconds = "–" if early_s is None else f"{_signed(early_s * 1000, 0)} ms"
    return (
        f'<tr><td><a href="#shot-{number}">{_text(lead.address.clip or "(no name)")}</a></td>'
        f'<td class="num">{timecode(lead.record_start_s, report.rate, report.start_timecode_s)}</td>'
        f'<td class="num right">{frames}</td><td class="num right">{milliseconds}</td>'
        f"<td>{METHODS[finding.method]}</td><td>{_sure(finding.confidence)}</td>"
        f"<td>{_badge(line)}</td></tr>"
    )


def _card(report: Report, line: Line, finding: SyncFinding, number: int, pictures: Pictures | None) -> str:
    words = line.outcome.words
    doubts = [doubt for doubt in finding.doubts if doubt not in words]
    return (
        f'<article id="shot-{number}"><header><h3>{_text(finding.shot.lead.address.clip or "(no name)")}</h3>'
        f"{_badge(line)}</header>"
        f'<div class="soft">{_place(report, finding)}</div>'
        f'<p class="verdict">{_text(_sentence(words))}</p>'
        f"{_seen(pictures, finding.attention) if pictures else ''}"
        f"{_attention(finding.attention)}"
        f"{_doubts(doubts)}"
        f'<div class="why">{_ladder(report, finding)}{_belief(finding)}</div></article>\n'
    )


def _place(report: Report, finding: SyncFinding) -> str:
    shot = finding.shot
    clock = (report.rate, report.start_timecode_s)
    start_s, end_s = shot.lead.record_start_s, shot.lead.record_start_s + shot.lead.duration_s
    parts = [f'<span class="num">{timecode(start_s, *clock)} – {timecode(end_s, *clock)}</span>']
    for span in (shot.picture, shot.sound):
        if span is not None:
            part = f"{_text(span.address.track or span.kind)}: {_text(span.media_name)}"
            parts.append(part)
    return " · ".join(parts)


def _seen(pictures: Pictures, attention: Attention | None) -> str:
    told = attention is not None and not attention.is_even
    rings = figures.looked_svgs(attention, pictures) if attention is not None and told else ()
    drawn = f"{_strip(pictures.thumbnails, rings)}{_figure(pictures, mended=False)}"
    if attention is not None and told:
        key = '<span class="key"><b class="m">▲ looked</b> <b class="s">▼ listened</b></span>'
        drawn += (
            f"<figure><figcaption><span>Which input decided</span>{key}</figcaption>"
            f"{figures.attention_svg(attention, pictures)}</figure>"
        )
    return drawn + _figure(pictures, mended=True) if pictures.mended is not None else drawn


def _strip(thumbnails: Sequence[bytes], over: Sequence[str] = ()) -> str:
    """`over`: what is drawn over each."""
    shown = "".join(
        f'<span><img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">{drawn}</span>'
        for jpeg, drawn in zip(thumbnails, over or [""] * len(thumbnails), strict=True)
    )
    return f'<div class="strip">{shown}</div>'


def _attention(attention: Attention | None) -> str:
    return "" if attention is None else f'<p class="soft">{_text(figures.attention_words(attention))}</p>'


def _figure(pictures: Pictures, *, mended: bool) -> str:
    caption = "<span>As proposed</span>" if mended else f"<span>As it is</span>{KEY}"
    return f"<figure><figcaption>{caption}</figcaption>{figures.curves_svg(pictures, mended=mended)}</figure>"


def _ladder(report: Report, finding: SyncFinding) -> str:
    if not finding.evidence:
        return ""
    rungs = "".join(_rung(report, each, decided=each.method == finding.method) for each in finding.evidence)
    return f'<div><h4>Evidence</h4><ol class="ladder">{rungs}</ol></div>'


def _rung(report: Report, each: Evidence, *, decided: bool) -> str:
    early_s = each.audio_early_s
    said = "no answer" if early_s is None else f"{_signed(early_s * report.rate, 1)} frames"
    sure = "<span></span>" if early_s is None else _sure(each.confidence)
    note = f'<div class="soft">{_text(each.note)}</div>' if each.note else ""
    return (
        f'<li><div class="rung"><span{" class=decided" if decided else ""}>{METHODS[each.method]}'
        f'{" · decided" if decided else ""}</span><span class="num">{said}</span>{sure}</div>{note}</li>'
    )


def _belief(finding: SyncFinding) -> str:
    if finding.posterior is None or not finding.posterior.offsets_s:
        return ""
    return (
        f"<div><h4>Picture against sound</h4>"
        f"{figures.posterior_svg(finding.posterior, finding.audio_early_s)}</div>"
    )


def _captions(report: Report, stills: Mapping[str, bytes]) -> str:
    """The time line, then each caption with its still, in the order of time; what all doubt is said once."""
    lines = [
        (number, line, line.finding)
        for number, line in enumerate(report.findings, start=1)
        if isinstance(line.finding, CaptionFinding)
    ]
    if not lines:
        return ""
    lines.sort(key=lambda each: (each[2].start_s, each[0]))
    bars = [
        figures.Bar(finding.start_s, finding.end_s, finding.carried_by, line.outcome.words, f"#shot-{number}")
        for number, line, finding in lines
        if line.outcome.action == "captioned"
    ]
    strips = "".join(figures.timeline_svgs(bars, lambda at_s: _clock(report, at_s)))
    rows = [row for row in figures.ROWS if any(finding.carried_by == row for _, _, finding in lines)]
    key = " ".join(f'<b class="{figures.ROWS[row]}">■ {row}</b>' for row in rows)
    shared = [
        doubt for doubt in lines[0][2].doubts if all(doubt in finding.doubts for _, _, finding in lines)
    ]
    cards = "".join(
        _caption(report, line, finding, number, stills.get(finding.id), shared)
        for number, line, finding in lines
    )
    drawn = f'<figure class="line"><figcaption><span class="key">{key}</span></figcaption>{strips}</figure>'
    return _section("What happens", f"{_doubts(shared)}{drawn}<div>{cards}</div>")


def _caption(
    report: Report,
    line: Line,
    finding: CaptionFinding,
    number: int,
    still: bytes | None,
    shared: Sequence[str],
) -> str:
    lead = finding.shot.lead
    seen = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(still).decode()}">' if still else ""
    between = f"{_clock(report, finding.start_s)} – {_clock(report, finding.end_s)}"
    where = f"{_text(lead.address.track or lead.kind)}: {_text(lead.address.clip or lead.media_name)}"
    own = [doubt for doubt in finding.doubts if doubt not in shared]
    state = f' · <span class="num">{line.state}</span>' if line.state != "proposed" else ""
    badge = _badge(line) if line.outcome.action != "captioned" else ""
    return (
        f'<article class="caption" id="shot-{number}"><div class="still">{seen}</div><div>'
        f"<header><h3>{_text(_sentence(line.outcome.words))}</h3>{badge}</header>"
        f'<div class="soft"><span class="num">{between}</span> · '
        f'<b class="{figures.ROWS[finding.carried_by]}">{finding.carried_by}</b> · {finding.level} · '
        f"{where}{state}</div>"
        f'<p class="words">{_sure(finding.confidence)}{_word_by_word(finding)}</p>'
        f"{_doubts(own)}</div></article>\n"
    )


def _word_by_word(finding: CaptionFinding) -> str:
    """The network's words, the paler the less likely."""
    return " ".join(
        f'<span style="opacity:{0.35 + 0.65 * min(max(probability, 0.0), 1.0):.2f}" '
        f'title="{round(100 * probability)} %">{_text(word)}</span>'
        for word, probability in finding.words
    )


def _foley(report: Report, takes: Mapping[str, Sequence[Pictures]], folder: Path | None) -> str:
    """Each sound with its takes to listen to, in the order of time."""
    cards = [
        (line.finding.start_s, number, _sound(report, line, line.finding, number, takes, folder))
        for number, line in enumerate(report.findings, start=1)
        if isinstance(line.finding, FoleyFinding)
    ]
    return _section("Sounds that were made", "".join(card for _, _, card in sorted(cards)))


def _sound(
    report: Report,
    line: Line,
    finding: FoleyFinding,
    number: int,
    takes: Mapping[str, Sequence[Pictures]],
    folder: Path | None,
) -> str:
    lead = finding.shot.lead
    between = f"{_clock(report, finding.start_s)} – {_clock(report, finding.end_s)}"
    where = f"{_text(lead.address.track or lead.kind)}: {_text(lead.address.clip or lead.media_name)}"
    drawn: Sequence[Pictures | None] = takes.get(finding.id) or [None] * len(finding.takes)
    shown = drawn[0].thumbnails if drawn and drawn[0] is not None else ()
    strip = f'{_strip(shown)}<div class="soft">{KEY}</div>' if shown else ""
    laid = {each.takes[0].name for each in line.outcome.edits if isinstance(each, LayClip)}
    heard = "".join(
        _take(take, pictures, folder, plays=len(drawn) > 1 and take.name in laid)
        for take, pictures in zip(finding.takes, drawn, strict=True)
    )
    doubts = [doubt for doubt in finding.doubts if doubt not in line.outcome.words]
    return (
        f'<article id="shot-{number}"><header><h3>{_text(_sentence(finding.sound) or "(no name)")}</h3>'
        f'{_badge(line)}</header><div class="soft"><span class="num">{between}</span> · {where}</div>'
        f'<p class="verdict">{_text(_sentence(line.outcome.words))} {_sure(finding.confidence)}</p>'
        f"{strip}{heard}{_doubts(doubts)}</article>\n"
    )


def _take(take: Take, pictures: Pictures | None, folder: Path | None, *, plays: bool) -> str:
    """A player, what was measured, and the sound below the movements it is for."""
    drawn = figures.curves_svg(pictures, mended=False) if pictures is not None else ""
    told = "".join(f"<span>{_text(each)}</span>" for each in _measured(take))
    name = f"{take.source}{f', seed {take.seed}' if take.seed is not None else ''}"
    badge = '<span class="badge good">plays</span>' if plays else ""
    player = f'<audio controls preload="none" src="{_link(take.path, folder)}"></audio>'
    words = f'<b>{_text(name)}</b> {badge}<div class="soft measured">{told}</div>'
    return f'<div class="take"><div class="player">{player}<div>{words}</div></div>{drawn}</div>'


def _measured(take: Take) -> list[str]:
    told = [f"{take.duration_s:.2f} s"]
    if take.loudness_lufs is not None:
        told.append(f"{_signed(take.loudness_lufs, 1)} LUFS")
    if take.true_peak_dbtp is not None:
        told.append(f"{_signed(take.true_peak_dbtp, 1)} dBTP")
    if take.relevance is not None:
        told.append(f"relevance {take.relevance:.0%}")
    told.append(_in_step(take))
    return told


def _in_step(take: Take) -> str:
    """What the sync network said, and what was done about it."""
    if take.audio_early_s is None:
        return "sync: not asked, or no answer"
    side = "early" if take.audio_early_s > 0 else "late"
    said = f"sync: {side} by {abs(take.audio_early_s) * 1000:.0f} ms ({take.sync_confidence:.0%} sure)"
    later = "later" if take.shifted_s > 0 else "earlier"
    return f"{said}, moved {abs(take.shifted_s) * 1000:.0f} ms {later}" if take.shifted_s else said


def _link(path: Path, folder: Path | None) -> str:
    """From the page to a file; the whole path where that isn't known, or where it is on another drive."""
    try:
        named = Path(os.path.relpath(path, folder)).as_posix() if folder is not None else path.as_posix()
    except ValueError:
        named = path.absolute().as_uri()
        return html.escape(named)
    return html.escape(quote(named))


def _clock(report: Report, at_s: float) -> str:
    return timecode(at_s, report.rate, report.start_timecode_s)


def _doubts(doubts: Sequence[str]) -> str:
    return (
        f'<ul class="doubts">{"".join(f"<li>{_text(each)}</li>" for each in doubts)}</ul>' if doubts else ""
    )


def _skipped(skipped: Iterable[Skipped]) -> str:
    """Grouped by reason; what follows a reason's colon is of one clip alone."""
    by_reason: dict[str, list[str]] = {}
    for each in skipped:
        reason, _, detail = each.reason.partition(": ")
        by_reason.setdefault(reason, []).append(_skipped_clip(each, detail or each.media))
    groups = "".join(
        f"<dt>{_text(_sentence(reason))} <span class='soft'>({len(clips)})</span></dt>{''.join(clips)}"
        for reason, clips in by_reason.items()
    )
    return _section("Not looked at", f'<dl class="reasons">{groups}</dl>' if groups else "")


def _skipped_clip(each: Skipped, detail: str) -> str:
    where = f"{_text(each.track or 'track')} · {_text(each.clip or '(no name)')}"
    return f'<dd>{where} <span class="soft">{_text(detail)}</span></dd>'


def _provenance(report: Report) -> str:
    parts = [f"otio-avassist {_text(report.version)}", f"{report.seconds:.1f} s"]
    parts += [
        f"network {_text(each.get('name', ''))} ({_text(each.get('sha256', '')[:12])})"
        for each in report.bundles
    ]
    if report.device:
        parts.append(f"ran on {_text(report.device)}")
    return " · ".join(parts)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>\n" if body else ""


def _badge(line: Line) -> str:
    words, _, look = ACTIONS[line.outcome.action]
    state = f", {line.state}" if line.outcome.action in CHANGES and line.state == "accepted" else ""
    return f'<span class="badge {look}">{words}{state}</span>'


def _sure(confidence: float) -> str:
    percent = round(100 * min(max(confidence, 0.0), 1.0))
    return f'<span class="num"><span class="sure"><i style="width:{percent}%"></i></span>{percent} %</span>'


def _signed(value: float, digits: int) -> str:
    """With its sign, a true minus, and no minus before zero."""
    rounded = round(value, digits) + 0.0
    return "0" if rounded == 0 else f"{rounded:+.{digits}f}".replace("-", "−")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _text(value: str) -> str:
    """Escaped; a file name that isn't Unicode must not stop the page from being written."""
    return html.escape(value.encode("utf-8", "replace").decode())
