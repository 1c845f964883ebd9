"""Maven, which runs here, and Gradle, which Android Studio wants, build the same."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

SPACE = {"m": "http://maven.apache.org/POM/4.0.0"}


def property_of(pom: ET.Element, name: str) -> str:
    value = pom.findtext(f"m:properties/m:{name}", namespaces=SPACE)
    assert value, f"pom.xml has no property {name}"
    return value


def test_versions_are_those_of_the_pom(root: Path) -> None:
    """Read without tomllib, which Python 3.10 lacks."""
    demo = root / "android_demo"
    catalog = (demo / "gradle" / "libs.versions.toml").read_text()
    section = catalog.split("[versions]\n")[1].split("\n[")[0]
    versions = dict(re.findall(r'^([\w-]+) = "([^"]+)"$', section, re.MULTILINE))
    pom = ET.parse(demo / "pom.xml").getroot()
    assert versions == {
        "jvm": property_of(pom, "jvm.target"),
        "kotlin": property_of(pom, "kotlin.version"),
        "junit": property_of(pom, "junit.version"),
    }
    assert re.findall(r'version = "', catalog) == [], "every version stands in the first section"


def test_modules_and_source_folders_are_those_of_the_pom(root: Path) -> None:
    demo = root / "android_demo"
    modules = [one.text for one in ET.parse(demo / "pom.xml").getroot().findall("m:modules/m:module", SPACE)]
    assert modules == re.findall(r'include\(":(\w+)"\)', (demo / "settings.gradle.kts").read_text())
    for module in modules:
        folder = demo / str(module)
        build = ET.parse(folder / "pom.xml").getroot().find("m:build", SPACE)
        assert build is not None
        gradle = (folder / "build.gradle.kts").read_text()
        for name, element in (("main", "sourceDirectory"), ("test", "testSourceDirectory")):
            source = build.findtext(f"m:{element}", namespaces=SPACE)
            assert f'sourceSets["{name}"].kotlin.setSrcDirs(listOf("{source}"))' in gradle
            assert (folder / str(source)).is_dir()


def test_tests_run_with_the_same_options(root: Path) -> None:
    demo = root / "android_demo"
    line = ET.parse(demo / "pom.xml").getroot().find(".//m:argLine", SPACE)
    assert line is not None and line.text
    options = re.search(r"jvmArgs\((.*)\)", (demo / "core" / "build.gradle.kts").read_text())
    assert options and re.findall(r'"([^"]+)"', options[1]) == line.text.split()
