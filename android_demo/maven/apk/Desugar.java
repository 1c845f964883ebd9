import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.Handle;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.Type;

/**
 * Gives lambdas of class files in a directory classes of their own, in place: {@code java -cp asm.jar Desugar.java DIRECTORY}.
 *
 * Kotlin's standard library has lambdas that a JVM makes classes of when they are met (invokedynamic). Android has
 * nothing that does; D8, which Gradle uses, does what this does, and dx, the dexer at Maven Central, does not.
 */
public final class Desugar implements Opcodes {
    private static final String FACTORY = "java/lang/invoke/LambdaMetafactory";

    private final Path root;
    private int lambdas;

    private Desugar(Path root) {
        this.root = root;
    }

    public static void main(String[] arguments) throws IOException {
        Desugar desugar = new Desugar(Path.of(arguments[0]));
        List<Path> files;
        try (Stream<Path> all = Files.walk(desugar.root)) {
            files = all.filter(file -> file.toString().endsWith(".class")).toList();
        }
        for (Path file : files) desugar.rewrite(file);
        System.out.println(desugar.lambdas + " lambdas of " + files.size() + " classes");
    }

    private void rewrite(Path file) throws IOException {
        ClassReader reader = new ClassReader(Files.readAllBytes(file));
        String owner = reader.getClassName();
        Set<String> bodies = bodies(reader);
        List<byte[]> made = new ArrayList<>();
        // Not with the reader: its constants have handles of methods, which dx does not know.
        ClassWriter writer = new ClassWriter(0);
        reader.accept(new ClassVisitor(ASM9, writer) {
            private boolean isInterface;

            @Override
            public void visit(int version, int access, String name, String signature, String parent, String[] interfaces) {
                isInterface = (access & ACC_INTERFACE) != 0;
                super.visit(version, access, name, signature, parent, interfaces);
            }

            @Override
            public MethodVisitor visitMethod(int access, String name, String descriptor, String signature, String[] exceptions) {
                // What a lambda does is called from its class now. In an interface, members cannot be of the package alone.
                boolean isHidden = (access & ACC_PRIVATE) != 0 && bodies.contains(name + descriptor);
                int open = isHidden ? access & ~ACC_PRIVATE | (isInterface ? ACC_PUBLIC : 0) : access;
                return new MethodVisitor(ASM9, super.visitMethod(open, name, descriptor, signature, exceptions)) {
                    @Override
                    public void visitInvokeDynamicInsn(String method, String creation, Handle bootstrap, Object... what) {
                        if (!bootstrap.getOwner().equals(FACTORY)) {
                            throw new IllegalStateException(owner + ": cannot take " + bootstrap + " apart");
                        }
                        String lambda = owner + "$$Lambda" + made.size();
                        made.add(lambda(lambda, method, creation, (Type) what[0], (Handle) what[1], (Type) what[2]));
                        super.visitMethodInsn(INVOKESTATIC, lambda, "make", creation, false);
                    }
                };
            }
        }, 0);
        if (made.isEmpty()) return;
        lambdas += made.size();
        Files.write(file, writer.toByteArray());
        for (int number = 0; number < made.size(); number++) {
            Files.write(root.resolve(owner + "$$Lambda" + number + ".class"), made.get(number));
        }
    }

    /** Methods of the class that its own lambdas call, each name with its descriptor. */
    private static Set<String> bodies(ClassReader reader) {
        Set<String> bodies = new HashSet<>();
        reader.accept(new ClassVisitor(ASM9) {
            @Override
            public MethodVisitor visitMethod(int access, String name, String descriptor, String signature, String[] exceptions) {
                return new MethodVisitor(ASM9) {
                    @Override
                    public void visitInvokeDynamicInsn(String method, String creation, Handle bootstrap, Object... what) {
                        for (Object each : what) {
                            if (each instanceof Handle body && body.getOwner().equals(reader.getClassName())) bodies.add(body.getName() + body.getDesc());
                        }
                    }
                };
            }
        }, 0);
        return bodies;
    }

    /** A class that implements the interface in {@code creation}'s result by calling {@code body} with what was captured before its arguments. */
    private static byte[] lambda(String name, String method, String creation, Type erased, Handle body, Type exact) {
        Type[] captured = Type.getArgumentTypes(creation);
        String constructor = Type.getMethodDescriptor(Type.VOID_TYPE, captured);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        writer.visit(V1_8, ACC_FINAL | ACC_SUPER | ACC_SYNTHETIC, name, null, "java/lang/Object", new String[] {Type.getReturnType(creation).getInternalName()});
        MethodVisitor init = writer.visitMethod(0, "<init>", constructor, null, null);
        MethodVisitor make = writer.visitMethod(ACC_STATIC, "make", creation, null, null);
        MethodVisitor call = writer.visitMethod(ACC_PUBLIC, method, erased.getDescriptor(), null, null);
        init.visitVarInsn(ALOAD, 0);
        init.visitMethodInsn(INVOKESPECIAL, "java/lang/Object", "<init>", "()V", false);
        make.visitTypeInsn(NEW, name);
        make.visitInsn(DUP);
        boolean isNew = body.getTag() == H_NEWINVOKESPECIAL;
        if (isNew) {
            call.visitTypeInsn(NEW, body.getOwner());
            call.visitInsn(DUP);
        }
        int place = 0;
        for (int number = 0; number < captured.length; number++) {
            Type type = captured[number];
            String field = "captured" + number;
            writer.visitField(ACC_PRIVATE | ACC_FINAL, field, type.getDescriptor(), null, null);
            init.visitVarInsn(ALOAD, 0);
            init.visitVarInsn(type.getOpcode(ILOAD), place + 1);
            init.visitFieldInsn(PUTFIELD, name, field, type.getDescriptor());
            make.visitVarInsn(type.getOpcode(ILOAD), place);
            call.visitVarInsn(ALOAD, 0);
            call.visitFieldInsn(GETFIELD, name, field, type.getDescriptor());
            place += type.getSize();
        }
        init.visitInsn(RETURN);
        make.visitMethodInsn(INVOKESPECIAL, name, "<init>", constructor, false);
        make.visitInsn(ARETURN);

        boolean isStatic = body.getTag() == H_INVOKESTATIC;
        List<Type> wanted = new ArrayList<>(List.of(Type.getArgumentTypes(body.getDesc())));
        if (!isStatic && !isNew) wanted.add(0, Type.getObjectType(body.getOwner()));
        Type[] given = erased.getArgumentTypes();
        int local = 1;
        for (int number = 0; number < given.length; number++) {
            call.visitVarInsn(given[number].getOpcode(ILOAD), local);
            local += given[number].getSize();
            convert(call, given[number], exact.getArgumentTypes()[number]);
            convert(call, exact.getArgumentTypes()[number], wanted.get(captured.length + number));
        }
        int opcode = isStatic ? INVOKESTATIC : isNew || body.getTag() == H_INVOKESPECIAL ? INVOKESPECIAL : body.isInterface() ? INVOKEINTERFACE : INVOKEVIRTUAL;
        // What was private is open now; another class may not call it as its own.
        if (body.getTag() == H_INVOKESPECIAL) opcode = body.isInterface() ? INVOKEINTERFACE : INVOKEVIRTUAL;
        call.visitMethodInsn(opcode, body.getOwner(), body.getName(), body.getDesc(), body.isInterface());
        Type result = isNew ? Type.getObjectType(body.getOwner()) : Type.getReturnType(body.getDesc());
        Type returned = erased.getReturnType();
        if (returned.getSort() == Type.VOID) {
            if (result.getSize() > 0) call.visitInsn(result.getSize() == 2 ? POP2 : POP);
        } else {
            convert(call, result, exact.getReturnType());
            convert(call, exact.getReturnType(), returned);
        }
        call.visitInsn(returned.getOpcode(IRETURN));
        for (MethodVisitor each : List.of(init, make, call)) {
            each.visitMaxs(0, 0);
            each.visitEnd();
        }
        return writer.toByteArray();
    }

    private static boolean isPrimitive(Type type) {
        return type.getSort() < Type.ARRAY;
    }

    /** Boxes, unboxes or casts the top of the stack. */
    private static void convert(MethodVisitor code, Type from, Type to) {
        if (from.equals(to)) return;
        if (isPrimitive(from) && isPrimitive(to)) throw new IllegalStateException("from " + from + " to " + to);
        if (isPrimitive(from)) {
            String box = box(from);
            code.visitMethodInsn(INVOKESTATIC, box, "valueOf", "(" + from.getDescriptor() + ")L" + box + ";", false);
        } else if (isPrimitive(to)) {
            code.visitTypeInsn(CHECKCAST, box(to));
            code.visitMethodInsn(INVOKEVIRTUAL, box(to), to.getClassName() + "Value", "()" + to.getDescriptor(), false);
        } else if (!to.getInternalName().equals("java/lang/Object")) {
            code.visitTypeInsn(CHECKCAST, to.getInternalName());
        }
    }

    private static String box(Type type) {
        return switch (type.getSort()) {
            case Type.BOOLEAN -> "java/lang/Boolean";
            case Type.CHAR -> "java/lang/Character";
            case Type.BYTE -> "java/lang/Byte";
            case Type.SHORT -> "java/lang/Short";
            case Type.INT -> "java/lang/Integer";
            case Type.FLOAT -> "java/lang/Float";
            case Type.LONG -> "java/lang/Long";
            case Type.DOUBLE -> "java/lang/Double";
            default -> throw new IllegalStateException("no box for " + type);
        };
    }
}
