package dev.mobilebert.core.model

import dev.mobilebert.core.contract.ContractException
import dev.mobilebert.core.contract.Vocabulary
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

/** The files of one export. */
interface ExportFiles {
    val name: String

    fun list(): List<String>

    /** Throws [IOException] if it is not there. */
    fun read(file: String): ByteArray

    /** Throws [IOException] if it is not there. */
    fun model(file: String): ModelFile
}

private const val CONTRACT = ".contract.json"
private const val SUMS = "SHA256SUMS"

/** Recipes that have a contract. */
val ExportFiles.variants: List<String>
    get() = list().filter { it.endsWith(CONTRACT) }.map { it.removeSuffix(CONTRACT) }.sorted()

/** Name of the contract of [variant]. */
fun contractName(variant: String) = variant + CONTRACT

/**
 * The content of [file], held to the sum that the export wrote of it.
 *
 * @throws ContractException it is not there, or not as it was written
 */
fun ExportFiles.readChecked(file: String): ByteArray {
    val content = try {
        read(file)
    } catch (error: IOException) {
        throw ContractException("$file of $name cannot be read (${reason(file, error)}); put the export into the app again")
    }
    if (!isAsStated(file, content)) {
        throw ContractException("$file of $name is damaged: it is not as it was exported; put the export into the app again")
    }
    return content
}

/** Whether the [content] of [file] has its sum; an export that has no sums at all was put together by hand. */
private fun ExportFiles.isAsStated(file: String, content: ByteArray): Boolean {
    val again = "put the export into the app again"
    val lines = try {
        if (SUMS !in list()) return true
        read(SUMS).decodeToString().lines()
    } catch (error: IOException) {
        throw ContractException("$SUMS of $name cannot be read (${reason(SUMS, error)}); $again")
    }
    val stated = lines.firstOrNull { it.substringAfter("  ", "") == file }
        ?: throw ContractException("$SUMS of $name has no sum of $file: it is cut off, or of another export; $again")
    return stated.substringBefore("  ") == Vocabulary.sha256(content)
}

/** Why [file] could not be read. Android says that a file was not found where it may not be read, too. */
internal fun ExportFiles.reason(file: String, error: IOException): String {
    val isThere = try {
        file in list()
    } catch (_: IOException) {
        false
    }
    return if (error is FileNotFoundException && !isThere) "it is not there" else error.message ?: "no reason given"
}

/** An export in a [directory]. */
class FolderExport(private val directory: File) : ExportFiles {
    override val name: String = directory.name

    override fun list(): List<String> = directory.list().orEmpty().sorted()

    override fun read(file: String): ByteArray = File(directory, file).readBytes()

    override fun model(file: String): ModelFile = FolderModel(File(directory, file))
}

/** A model in a file system. */
class FolderModel(val path: File) : ModelFile {
    override val name: String = path.name

    override fun map(): ByteBuffer = RandomAccessFile(path, "r").use { it.channel.map(FileChannel.MapMode.READ_ONLY, 0, it.length()) }
}
