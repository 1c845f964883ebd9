package dev.mobilebert.app

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.TextView

var View.isVisible: Boolean
    get() = visibility == View.VISIBLE
    set(value) {
        visibility = if (value) View.VISIBLE else View.GONE
    }

/** Set [text] unless it is there already: what is set is read out where a view is a live region. */
fun TextView.say(text: CharSequence?) {
    if (this.text.toString() != text?.toString().orEmpty()) this.text = text
}

/** The name of an export or a recipe as people write it; as it is, where another of [all] would look the same. */
fun String.asName(all: List<String>): String {
    fun written(name: String) = name.replace('_', ' ').replace('-', ' ')
    return if (all.count { written(it) == written(this) } > 1) this else written(this)
}

/** Make the children [count] rows of [layout], keeping those that are there, so that TalkBack's focus stays. */
fun ViewGroup.rows(layout: Int, count: Int): List<View> {
    if (tag != layout) removeAllViews()
    tag = layout
    while (childCount > count) removeViewAt(childCount - 1)
    while (childCount < count) LayoutInflater.from(context).inflate(layout, this, true)
    return List(count, ::getChildAt)
}

/** A name and a value in each row. */
fun ViewGroup.showFacts(facts: List<Pair<String, String>>) {
    rows(R.layout.row_fact, facts.size).zip(facts).forEach { (row, fact) ->
        row.findViewById<TextView>(R.id.name).text = fact.first
        row.findViewById<TextView>(R.id.value).text = fact.second
    }
}
