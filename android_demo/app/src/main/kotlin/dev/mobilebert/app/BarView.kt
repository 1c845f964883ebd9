package dev.mobilebert.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.util.AttributeSet
import android.view.View

/** A bar that is filled to a share of its length, from the side where reading begins. Says nothing: the row does. */
class BarView @JvmOverloads constructor(context: Context, attributes: AttributeSet? = null) : View(context, attributes) {
    private val track = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.bar_track) }
    private val fill = Paint(Paint.ANTI_ALIAS_FLAG)
    private var from = 0f
    private var until = 0f

    /** Fill from [from] to [until], shares of the length. */
    fun show(from: Double, until: Double, isChosen: Boolean) {
        this.from = from.toFloat().coerceIn(0f, 1f)
        this.until = until.toFloat().coerceIn(0f, 1f)
        fill.color = context.getColor(if (isChosen) R.color.accent else R.color.bar_other)
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        val round = height / 2f
        canvas.drawRoundRect(0f, 0f, width.toFloat(), height.toFloat(), round, round, track)
        if (until <= from) return
        // Never narrower than it is high, so that little is still to be seen.
        var left = from * width
        var right = maxOf(until * width, left + height)
        if (layoutDirection == LAYOUT_DIRECTION_RTL) {
            val mirrored = width - right
            right = width - left
            left = mirrored
        }
        canvas.drawRoundRect(left, 0f, right, height.toFloat(), round, round, fill)
    }
}
