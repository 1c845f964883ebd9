package dev.mobilebert.app

import android.content.res.AssetManager
import dev.mobilebert.core.model.ExportFiles
import dev.mobilebert.core.model.FolderExport
import dev.mobilebert.core.model.ModelFile
import dev.mobilebert.core.model.variants
import dev.mobilebert.core.screen.Shelf
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

/** Folder of exports, among the assets and in the app's own directory. */
const val EXPORTS = "exports"

/** The exports that were built into the app, and those that were pushed into [directory]; of one name the pushed one. */
class Exports(private val assets: AssetManager, val directory: File?) {
    private fun all(): Map<String, ExportFiles> {
        val built = assets.list(EXPORTS).orEmpty().map { AssetExport(assets, it) }
        val pushed = directory?.listFiles().orEmpty().filter { it.isDirectory }.map(::FolderExport)
        return (built + pushed).associateBy { it.name }
    }

    /** Throws [IOException] if the assets cannot be listed. */
    fun shelves(): List<Shelf> = all().values.map { Shelf(it.name, it.variants) }.sortedBy { it.export }

    /** Throws [IOException] if it is not there. */
    fun find(name: String): ExportFiles = all()[name] ?: throw IOException("export $name is not there any more")
}

private class AssetExport(private val assets: AssetManager, override val name: String) : ExportFiles {
    private val folder = "$EXPORTS/$name"

    override fun list(): List<String> = assets.list(folder).orEmpty().asList()

    override fun read(file: String): ByteArray = assets.open("$folder/$file").use { it.readBytes() }

    override fun model(file: String): ModelFile = AssetModel(assets, "$folder/$file")
}

/** A model that lies uncompressed in the APK. */
class AssetModel(val assets: AssetManager, val path: String) : ModelFile {
    override val name: String = path.substringAfterLast('/')

    override fun map(): ByteBuffer = assets.openFd(path).use { part ->
        part.createInputStream().use { it.channel.map(FileChannel.MapMode.READ_ONLY, part.startOffset, part.declaredLength) }
    }
}
