from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from otio_avassist.adapters.report_html import summary, to_html
from otio_avassist.figures import Pictures
from otio_avassist.findings import Attention

VOID = {"meta", "img", "line", "path", "polygon", "br", "input"}


class Page(HTMLParser):
    """What a browser would make of it: tags in balance, texts, and everything that points outside."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.links += [found[key] for key in ("src", "href", "srcset", "data", "action") if key in found]
        self.ids += [found["id"]] if "id" in found else []
        assert not any(key.startswith("on") for key in found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture
def pictures(early):
    beats = np.zeros(200)
    beats[20::40] = 1.0
    seen = Pictures(1.0, 8.0, (b"\xff\xd8 a jpeg \xff\xd9",) * 3, beats, np.roll(beats, -10), beats)
    return {early.id: seen}


def test_the_page_is_well_formed(report, pictures):
    page = Page(to_html(report, pictures))
    assert page.open == []
    assert len(page.ids) == len(set(page.ids)) == len(report.findings)


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(report, pictures):
    text = to_html(report, pictures)
    page = Page(text)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_a_hostile_name_is_shown_and_never_obeyed(report):
    hostile = report.skipped[1].clip
    text = to_html(report, {})
    page = Page(text)
    assert "<script" not in text
    assert page.text.count(hostile) == 3  # table, card, skipped list
    assert "nothing moves <here>" in page.text


def test_pictures_and_both_drawings_stand_in_the_card(report, pictures):
    page = Page(to_html(report, pictures))
    assert page.tags.count("img") == 3
    assert "As it is" in page.text
    assert "As proposed" in page.text


def looked_at(report, attention):
    line, *others = report.findings
    told = replace(line, finding=replace(line.finding, attention=attention))
    return replace(report, findings=(told, *others))


def test_what_was_looked_at_is_drawn_over_the_pictures_and_said(report, pictures):
    attention = Attention(((2.0, 0.5, 0.1, 4.0),), ((2.1, 3.0),), ((2.0, 2.0),), ((2.0, 3.0),))
    page = Page(to_html(looked_at(report, attention), pictures))
    assert page.open == []
    assert page.tags.count("circle") == 1
    assert "looked most at 2.0 s, on the left (4.0 times" in page.text
    assert "Which input decided" in page.text
    assert "circle" not in Page(to_html(looked_at(report, attention))).tags


def test_attention_that_tells_nothing_is_said_and_not_drawn(report, pictures):
    even = Attention(((2.0, 0.5, 0.1, 1.01),), ((2.1, 1.01),), ((2.0, 1.0),), ((2.0, 1.0),))
    page = Page(to_html(looked_at(report, even), pictures))
    assert "circle" not in page.tags
    assert "Which input decided" not in page.text
    assert "looked everywhere alike" in page.text


def test_a_finding_without_pictures_is_told_in_words(report):
    page = Page(to_html(report, {}))
    assert "img" not in page.tags
    assert "Sound early by 10.0 frames (400 ms)" in page.text


def test_offset_and_timecode_stand_in_the_table(report):
    text = Page(to_html(report, {})).text
    assert "01:00:10:00" in text
    assert "+10.0" in text
    assert "+400 ms" in text


def test_skipped_clips_are_grouped_by_reason(report):
    text = Page(to_html(report, {})).text
    assert text.count("Media not found (2)") == 1
    assert "/nowhere/lost.mov" in text
    assert "/nowhere/gone.mov" in text


def test_the_summary_counts_what_was_done(report):
    assert summary(report) == (
        "3 shots looked at: 1 moved, 1 in step, 1 without an answer. 3 clips not looked at."
    )


def test_a_dry_run_says_that_nothing_was_written(dry_run):
    assert "nothing was written" in Page(to_html(dry_run, {})).text


def test_a_timeline_without_clips_gives_a_page(report):
    page = Page(to_html(replace(report, findings=(), skipped=()), {}))
    assert "This timeline has no clips." in page.text


def test_a_file_name_that_is_not_unicode_can_still_be_written(report):
    to_html(replace(report, input="/cut/reel\udcff.otio"), {}).encode()


# Captions


def test_captions_stand_on_a_time_line_and_each_has_a_card_with_its_still(captions):
    stills = {line.finding.id: b"\xff\xd8 a jpeg \xff\xd9" for line in captions.findings}
    page = Page(to_html(captions, {}, stills))
    assert page.open == []
    assert page.tags.count("img") == 3
    assert page.ids == ["shot-1", "shot-3", "shot-2"]  # in the order of time
    links = [link for link in page.links if link.startswith("#")]
    assert sorted(links) == ["#shot-1", "#shot-2"]  # what was rejected isn't on the line
    assert "A dog barks twice." in page.text
    assert "01:00:11:00 – 01:00:12:13" in page.text


def test_what_all_captions_doubt_is_said_once_and_what_one_doubts_beside_it(captions):
    text = Page(to_html(captions, {})).text
    assert text.count("without optical flow") == 1
    assert text.count("faint") == 1


def test_a_hostile_sentence_is_shown_and_never_obeyed(captions):
    text = to_html(captions, {})
    assert "<script" not in text
    assert captions.findings[1].finding.text in Page(text).text


def test_the_summary_counts_captions_by_what_carried_them(report, captions):
    assert summary(captions) == "3 captions: 1 seen and heard, 1 heard, 1 left out as you decided."
    both = replace(report, findings=report.findings + captions.findings)
    assert summary(both).startswith(
        "3 shots looked at: 1 moved, 1 in step, 1 without an answer. 3 captions: "
    )
    assert summary(replace(captions, findings=())) == "1 shot looked at."


def test_both_kinds_are_a_page_with_one_id_each(report, captions):
    page = Page(to_html(replace(report, findings=report.findings + captions.findings), {}))
    assert page.open == []
    assert sorted(page.ids) == [f"shot-{number}" for number in range(1, 7)]


def test_each_take_has_a_player_that_finds_it_from_where_the_page_stands(foley):
    page = Page(to_html(foley, folder=Path("/cut/reports")))
    assert page.tags.count("audio") == 3
    assert page.links[0] == "../mended.foley/foley_rain_000000000001.wav"
    assert all(link.startswith("../mended.foley/foley_") for link in page.links)
    spaced = replace(foley.findings[0].finding.takes[0], path=Path("/cut/my # takes/a.wav"))
    found = replace(foley.findings[0].finding, takes=(spaced,))
    line = replace(foley.findings[0], finding=found)
    page = Page(to_html(replace(foley, findings=(line,)), folder=Path("/cut")))
    assert page.links == ["my%20%23%20takes/a.wav"]


def test_a_sound_says_what_was_measured_what_sync_said_and_which_take_plays(foley):
    text = Page(to_html(foley)).text
    assert "Rain, generated, 2 takes, chosen by a person: moved 80 ms later" in text
    assert "−23.0 LUFS" in text
    assert "−3.5 dBTP" in text
    assert "relevance 70%" in text
    assert "sync: early by 80 ms (90% sure), moved 80 ms later" in text
    assert text.index("seed 1") < text.index("seed 2") < text.index("plays")
    assert "Helicopter: not trained on it" in text
    assert "faint" in text


def test_sounds_are_drawn_below_the_movements_they_are_for(foley, pictures):
    (seen,) = pictures.values()
    rain = foley.findings[0].finding
    page = Page(to_html(foley, takes={rain.id: (seen, seen)}))
    assert (page.tags.count("svg"), page.tags.count("img")) == (2, 3)


def test_a_hostile_sound_is_shown_and_never_obeyed(foley):
    text = to_html(foley)
    assert "<script" not in text
    assert foley.findings[1].finding.sound in Page(text).text


def test_the_summary_counts_sounds(report, foley):
    assert summary(foley) == "3 sounds: 2 laid, 1 without an answer."
    both = replace(report, findings=report.findings + foley.findings, skipped=())
    assert summary(both).endswith("1 without an answer. 3 sounds: 2 laid, 1 without an answer.")
