package androidx.test.platform.ui;

import android.view.*;
public interface UiController {
  boolean injectMotionEvent(MotionEvent e) throws InjectEventSecurityException; boolean injectKeyEvent(KeyEvent e) throws InjectEventSecurityException;
  boolean injectString(String s) throws InjectEventSecurityException; void loopMainThreadUntilIdle(); void loopMainThreadForAtLeast(long ms);
}
