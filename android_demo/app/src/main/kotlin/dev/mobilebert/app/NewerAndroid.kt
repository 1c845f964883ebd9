package dev.mobilebert.app

/** Marks what asks for a newer Android than the app needs, once it has looked at the version; all else is held to the oldest. */
@Retention(AnnotationRetention.BINARY)
@Target(AnnotationTarget.FUNCTION)
internal annotation class NewerAndroid
