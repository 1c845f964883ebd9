plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin {
    jvmToolchain(libs.versions.jvm.get().toInt())
    compilerOptions {
        allWarningsAsErrors.set(true)
    }
    sourceSets["main"].kotlin.setSrcDirs(listOf("src/main/kotlin"))
    sourceSets["test"].kotlin.setSrcDirs(listOf("src/test/kotlin"))
}

dependencies {
    testImplementation(libs.junit.jupiter)
    // Of the release that junit-jupiter asks for.
    testRuntimeOnly(platform("org.junit:junit-bom:${libs.versions.junit.get()}"))
    testRuntimeOnly(libs.junit.platform.launcher)
}

tasks.test {
    useJUnitPlatform()
    // Turkish, where the small letter of I is not i.
    jvmArgs("-Duser.language=tr", "-Duser.country=TR")
}
