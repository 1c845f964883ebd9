"""Maven, which runs here, and Gradle, which Android Studio needs, build the same."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

SPACE = {"m": "http://maven.apache.org/POM/4.0.0"}

GOOGLE_ALONE = {"agp", "litert", "play-litert"}
"""Versions only in Google's repository, for which Maven has stubs, or which it does not need."""


def property_of(pom: ET.Element, name: str) -> str:
    value = pom.findtext(f"m:properties/m:{name}", namespaces=SPACE)
    assert value, f"pom.xml has no property {name}"
    return value


def test_versions_are_those_of_the_pom(root: Path) -> None:
    """The catalogue is read without tomllib, which Python 3.10 lacks."""
    demo = root / "android_demo"
    catalog = (demo / "gradle" / "libs.versions.toml").read_text()
    section = catalog.split("[versions]\n")[1].split("\n[")[0]
    versions = dict(re.findall(r'^([\w-]+) = "([^"]+)"$', section, re.MULTILINE))
    pom = ET.parse(demo / "pom.xml").getroot()
    assert {name: value for name, value in versions.items() if name not in GOOGLE_ALONE} == {
        "jvm": property_of(pom, "jvm.target"),
        "kotlin": property_of(pom, "kotlin.version"),
        "junit": property_of(pom, "junit.version"),
        "junit4": property_of(pom, "junit4.version"),
        "robolectric": property_of(pom, "robolectric.version"),
        "tflite": property_of(pom, "tflite.version"),
        "bytedeco-tflite": property_of(pom, "bytedeco.tflite.version"),
        "bytedeco-javacpp": property_of(pom, "bytedeco.javacpp.version"),
        "min-sdk": property_of(pom, "android.min.sdk"),
        "target-sdk": property_of(pom, "android.target.sdk"),
    }
    assert GOOGLE_ALONE <= versions.keys()
    assert re.findall(r'version = "', catalog) == [], "every version stands in the first section"


def modules(demo: Path) -> list[str]:
    """The modules that both build; those in maven/ are only for Maven."""
    names = [str(one.text) for one in ET.parse(demo / "pom.xml").getroot().findall("m:modules/m:module", SPACE)]
    assert all((demo / name / "pom.xml").is_file() for name in names)
    return [name for name in names if not name.startswith("maven/")]


def test_modules_are_those_of_the_pom(root: Path) -> None:
    demo = root / "android_demo"
    assert modules(demo) == re.findall(r'include\(":(\w+)"\)', (demo / "settings.gradle.kts").read_text())


def source_folders(pom: Path) -> dict[str, set[str]]:
    """The module's folders of Kotlin sources by main and test, without generated code."""
    build = ET.parse(pom).getroot().find("m:build", SPACE)
    assert build is not None
    folders = {"main": {str(build.findtext("m:sourceDirectory", namespaces=SPACE))}}
    folders["test"] = {str(build.findtext("m:testSourceDirectory", namespaces=SPACE))}
    for kind, step in (("main", "compile"), ("test", "test-compile")):
        steps = [one for one in build.iterfind(".//m:execution", SPACE) if one.findtext("m:id", "", SPACE) == step]
        further = [str(name.text) for one in steps for name in one.iterfind(".//m:sourceDirs/m:sourceDir", SPACE)]
        folders[kind] |= {name.removeprefix("${project.basedir}/") for name in further if name != "${generated}"}
    return folders


def test_core_has_the_same_source_folders(root: Path) -> None:
    folder = root / "android_demo" / "core"
    gradle = (folder / "build.gradle.kts").read_text()
    for name, sources in source_folders(folder / "pom.xml").items():
        (source,) = sources
        assert f'sourceSets["{name}"].kotlin.setSrcDirs(listOf("{source}"))' in gradle
        assert (folder / source).is_dir()


def test_the_app_and_its_flavours_have_the_same_source_folders(root: Path) -> None:
    """Maven's module app is Gradle's flavour `interpreter`; the modules in maven/ are the other flavours."""
    demo = root / "android_demo"
    gradle = (demo / "app" / "build.gradle.kts").read_text()
    lines = re.findall(r'getByName\("(\w+)"\)\.kotlin\.srcDirs?\((.*)\)', gradle)
    stated = {name: set(re.findall(r'"([^"]+)"', folders)) for name, folders in lines}
    assert set(re.findall(r'create\("(\w+)"\)', gradle)) == stated.keys() - {"main", "test"}
    assert all((demo / "app" / folder).is_dir() for folders in stated.values() for folder in folders)
    own = source_folders(demo / "app" / "pom.xml")
    assert own == {"main": stated["main"] | stated["interpreter"], "test": stated["test"]}
    for flavour in ("bundled", "play"):
        folders = source_folders(demo / "maven" / flavour / "pom.xml")["main"]
        assert {name.removeprefix("../../app/") for name in folders} == stated[flavour]


def test_the_manifest_is_gradle_s_and_asks_for_nothing(root: Path) -> None:
    manifest = ET.parse(root / "android_demo" / "app" / "src" / "main" / "AndroidManifest.xml").getroot()
    assert "package" not in manifest.attrib, "Gradle takes it from its own file and refuses one here"
    assert [child.tag for child in manifest] == ["application"], "no permission, no feature"


LEAST_AGP = {"2.4": (9, 1)}
"""The oldest Android Gradle plugin whose R8 reads a Kotlin version's classes, by developer.android.com."""

LEAST_GRADLE = {(9, 2): (9, 4, 1)}
"""The oldest Gradle for an Android Gradle plugin, by its release notes."""


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_kotlin_the_plugin_and_gradle_fit_each_other(root: Path) -> None:
    demo = root / "android_demo"
    catalog = (demo / "gradle" / "libs.versions.toml").read_text()
    versions = dict(re.findall(r'^(kotlin|agp) = "([^"]+)"$', catalog, re.MULTILINE))
    plugin = numbers(versions["agp"])
    assert plugin >= LEAST_AGP[versions["kotlin"].rpartition(".")[0]]
    wrapper = (demo / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text()
    gradle = re.search(r"/gradle-([0-9.]+)-bin\.zip$", wrapper, re.MULTILINE)
    assert gradle and numbers(gradle[1]) >= LEAST_GRADLE[plugin[:2]]
    assert f"Gradle {gradle[1]}" in (demo / "README.md").read_text()


def test_any_newer_jdk_builds_core(root: Path) -> None:
    """Android Studio has one JDK, newer than the target, and cannot download another."""
    core = (root / "android_demo" / "core" / "build.gradle.kts").read_text()
    assert "jvmToolchain" not in core
    assert core.count("libs.versions.jvm.get()") == 4, "source, target, Kotlin's target and Java's classes"


def test_tests_run_with_the_same_options(root: Path) -> None:
    demo = root / "android_demo"
    line = ET.parse(demo / "pom.xml").getroot().find(".//m:argLine", SPACE)
    assert line is not None and line.text
    options = re.search(r"jvmArgs\((.*)\)", (demo / "core" / "build.gradle.kts").read_text())
    assert options and re.findall(r'"([^"]+)"', options[1]) == line.text.split()


def test_the_flavour_with_litert_has_the_gpu_beside_it(root: Path) -> None:
    """Without it, LiteRT's CompiledModel computes on the processor and says nothing."""
    demo = root / "android_demo"
    build = (demo / "app" / "build.gradle.kts").read_text()
    catalog = (demo / "gradle" / "libs.versions.toml").read_text()
    for name in ("litert", "litert-gpu"):
        assert f'"bundledImplementation"(libs.{name.replace("-", ".")})' in build
        assert f'{name} = {{ module = "com.google.ai.edge.litert:{name}", version.ref = "litert" }}' in catalog
