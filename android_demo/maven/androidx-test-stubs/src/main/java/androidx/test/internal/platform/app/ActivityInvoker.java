package androidx.test.internal.platform.app;

import android.app.*; import android.content.Intent; import android.os.Bundle;
public interface ActivityInvoker {
  void startActivity(Intent i, Bundle b); void startActivity(Intent i);
  void startActivityForResult(Intent i, Bundle b); void startActivityForResult(Intent i);
  Instrumentation.ActivityResult getActivityResult();
  void resumeActivity(Activity a); void pauseActivity(Activity a); void stopActivity(Activity a);
  void recreateActivity(Activity a); void finishActivity(Activity a);
  Intent getIntentForActivity(Class<? extends Activity> c);
}
