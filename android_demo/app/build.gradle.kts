plugins {
    // Version 9 compiles Kotlin by itself.
    alias(libs.plugins.android.application)
}

android {
    namespace = "dev.mobilebert.app"
    compileSdk = libs.versions.target.sdk.get().toInt()

    defaultConfig {
        applicationId = "dev.mobilebert.app"
        minSdk = libs.versions.min.sdk.get().toInt()
        targetSdk = libs.versions.target.sdk.get().toInt()
        versionCode = 1
        versionName = "0.1"
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    // The runtime; MainActivity and all else are the same.
    flavorDimensions += "runtime"
    productFlavors {
        // LiteRT 2 in the app, with its GPU accelerator.
        create("bundled") { dimension = "runtime" }
        // LiteRT 2 of Play services: 8 MB less in the app.
        create("play") { dimension = "runtime" }
        // TensorFlow Lite 2.16, the last at Maven Central. Not aligned for pages of 16 KB: for trying, not for the Play Store.
        create("interpreter") { dimension = "runtime" }
    }

    sourceSets {
        getByName("main").kotlin.srcDir("src/main/kotlin")
        getByName("bundled").kotlin.srcDirs("src/compiled/kotlin", "src/bundled/kotlin")
        getByName("play").kotlin.srcDirs("src/compiled/kotlin", "src/play/kotlin")
        getByName("interpreter").kotlin.srcDir("src/interpreter/kotlin")
        getByName("test").kotlin.srcDirs("src/test/kotlin", "src/jvm/kotlin")
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
            // So that a benchmark of a release build can be installed; sign with a key of your own to publish.
            signingConfig = signingConfigs.getByName("debug")
        }
    }

    androidResources {
        // Uncompressed, a model is mapped into memory where it lies.
        noCompress += "tflite"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.toVersion(libs.versions.jvm.get())
        targetCompatibility = JavaVersion.toVersion(libs.versions.jvm.get())
    }

    testOptions {
        unitTests.isIncludeAndroidResources = true
        unitTests.all {
            it.systemProperty("demo.exports", file("src/main/assets/exports").path)
            it.systemProperty("demo.screens", layout.buildDirectory.dir("screens").get().asFile.path)
        }
    }
}

kotlin {
    compilerOptions {
        allWarningsAsErrors.set(true)
    }
}

dependencies {
    implementation(project(":core"))
    "bundledImplementation"(libs.litert)
    // Without it a GPU that is asked for is not there.
    "bundledImplementation"(libs.litert.gpu)
    "playImplementation"(libs.play.litert)
    "interpreterImplementation"(libs.tflite)
    "interpreterImplementation"(libs.tflite.api)
    testImplementation(libs.junit4)
    testImplementation(libs.robolectric)
    testImplementation(libs.bytedeco.tflite)
    testRuntimeOnly(variantOf(libs.bytedeco.tflite) { classifier("linux-x86_64") })
    testRuntimeOnly(variantOf(libs.bytedeco.javacpp) { classifier("linux-x86_64") })
}
