import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

// No toolchain: Android Studio has one JDK, a newer one.
java {
    sourceCompatibility = JavaVersion.toVersion(libs.versions.jvm.get())
    targetCompatibility = JavaVersion.toVersion(libs.versions.jvm.get())
}

kotlin {
    compilerOptions {
        jvmTarget.set(JvmTarget.fromTarget(libs.versions.jvm.get()))
        // Of Java only what that version has.
        freeCompilerArgs.add("-Xjdk-release=${libs.versions.jvm.get()}")
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
