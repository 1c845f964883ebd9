package dev.mobilebert.app

import android.app.Activity
import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Spinner
import android.R as AndroidR

/** One of several values, in a spinner. */
internal class Chooser<T : Any>(
    private val activity: Activity,
    id: Int,
    /** A value for people, and all that can be chosen. */
    private val written: (T, List<T>) -> String,
    private val chose: (T) -> Unit,
) {
    private val spinner = activity.findViewById<Spinner>(id)
    private var values: List<T> = emptyList()

    init {
        spinner.onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            /** Also called for what the program chose, where the reducer sees nothing new; and late, when the values are others. */
            override fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long) {
                values.getOrNull(position)?.let(chose)
            }

            override fun onNothingSelected(parent: AdapterView<*>?) = Unit
        }
        spinner.isSaveEnabled = false
    }

    fun show(values: List<T>, chosen: T) {
        if (values != this.values) {
            this.values = values
            spinner.adapter = ArrayAdapter(activity, AndroidR.layout.simple_spinner_item, values.map { written(it, values) }).apply {
                setDropDownViewResource(AndroidR.layout.simple_spinner_dropdown_item)
            }
        }
        val place = values.indexOf(chosen)
        if (spinner.selectedItemPosition != place) spinner.setSelection(place)
        spinner.isEnabled = values.size > 1
    }
}
