"""Plots are well-formed, and every value that can be shown is in them."""

from xml.etree import ElementTree

from bench.reporting.plots import bars, curves

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_values() -> None:
    root = ElementTree.fromstring(bars("a < b", [("one & two", 10.0), ("three", 5.0), ("none", 0.0)]))
    drawn = [rect.attrib["width"] for rect in root.iter(f"{SVG}rect")]
    widths = [float(width) for width in drawn if width != "100%"]
    assert widths == [300, 150, 0]
    assert "one & two" in {text.text for text in root.iter(f"{SVG}text")}
    ElementTree.fromstring(bars("nothing", []))


def test_curves_show_every_point_inside_the_picture() -> None:
    series = {"server": [(10, 100.0), (100, 200.0), (1000, 1200.0)], "floor": [(10, 5.0), (100, 0.0), (1000, 50.0)]}
    root = ElementTree.fromstring(curves("growth", "members", series))
    lines = [line.attrib["points"].split() for line in root.iter(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [3, 2], "a value of nothing has no place on a logarithmic axis"
    for x, y in (point.split(",") for line in lines for point in line):
        assert 70 <= float(x) <= 610
        assert 60 <= float(y) <= 350


def test_curves_of_one_point_or_none() -> None:
    assert curves("a", "b", {"c": [(5, 5.0)]}).count("<circle") == 1
    assert "<polyline" not in curves("a", "b", {"c": [(5, 0.0)]})
