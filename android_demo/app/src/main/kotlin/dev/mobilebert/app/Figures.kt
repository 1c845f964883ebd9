package dev.mobilebert.app

import android.content.Context
import java.math.BigDecimal
import java.math.MathContext

private const val DIGITS = 4

/** From here on, and below the other one, a number is written with a power of ten. */
private val LARGE = BigDecimal.TEN.pow(7)
private val SMALL = BigDecimal.ONE.movePointLeft(4)

/** [value] to four significant digits, as people write numbers where the app's language is spoken. */
internal fun Context.fourDigits(value: Double): String {
    // What is not finite is no BigDecimal.
    val rounded = if (value.isFinite()) BigDecimal(value).round(MathContext(DIGITS)) else LARGE
    val size = rounded.abs()
    if (size >= LARGE || (size < SMALL && size.signum() != 0)) return getString(R.string.answer_power, value)
    val whole = rounded.precision() - rounded.scale()
    return "%,.${maxOf(DIGITS - whole, 0)}f".format(resources.configuration.locales[0], rounded)
}
