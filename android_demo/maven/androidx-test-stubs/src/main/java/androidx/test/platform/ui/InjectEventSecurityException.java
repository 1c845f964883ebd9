package androidx.test.platform.ui;

public class InjectEventSecurityException extends Exception {}
