"""What the code actions do in every language: a table for test_code_actions.py.

`before` has the cursor at ‸, or a selection between two of them. `asked` is what the model reads,
with a ▢ for each hole; `after` the document once `fills` are in. `title` None: not offered.
"""

# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    action: str
    language: str
    before: str
    title: str | None
    asked: str = ""
    fills: tuple[str, ...] = ()
    after: str = ""

    @property
    def text(self) -> str:
        return self.before.replace("‸", "")

    @property
    def start(self) -> int:
        return self.before.index("‸")

    @property
    def end(self) -> int:
        return self.before.rindex("‸") - self.before.count("‸") + 1

    @property
    def name(self) -> str:
        return f"{self.action}-{self.language}-{self.before[:30]!r}"


def body(language: str, before: str, name: str | None, asked: str, fill: str, after: str) -> Case:
    title = f"Fill the body of {f'`{name}`' if name else 'this function'}"
    return Case("fill_body", language, before, title, asked, (fill,), after)


def holes(language: str, before: str, title: str, asked: str, *fills: str, after: str) -> Case:
    return Case("fill_holes", language, before, title, asked, fills, after)


def todo(language: str, before: str, wish: str, asked: str, fill: str, after: str) -> Case:
    return Case("do_todo", language, before, f"Do this TODO: {wish}", asked, (fill,), after)


def docstring(language: str, before: str, name: str, asked: str, fill: str, after: str) -> Case:
    title = f"Write the docstring of `{name}`"
    return Case("write_docstring", language, before, title, asked, (fill,), after)


def no(action: str, language: str, before: str) -> Case:
    return Case(action, language, before, None)


BODIES = [
    body(
        "python",
        "def f(a):‸\n    pass\n",
        "f",
        "def f(a):\n    ▢\n",
        "return a",
        "def f(a):\n    return a\n",
    ),
    body(
        "python",
        "def f(a):\n    ‸\n\ng()\n",
        "f",
        "def f(a):\n    ▢\n\ng()\n",
        "return a\n",
        "def f(a):\n    return a\n\ng()\n",
    ),
    body(
        "python",
        "def f(a):‸\n\ng()\n",
        "f",
        "def f(a):\n    ▢\n\ng()\n",
        "x = a\n    return x\ng()",
        "def f(a):\n    x = a\n    return x\n\ng()\n",
    ),
    body(
        "python",
        "def f(a): ...‸\n",
        "f",
        "def f(a):\n    ▢\n",
        "return a",
        "def f(a):\n    return a\n",
    ),
    body(
        "python",
        "class A:\n  def f(self):\n    '''Doc.'''\n    raise NotImplementedError('x')‸\n  y = 1\n",
        "f",
        "class A:\n  def f(self):\n    '''Doc.'''\n    ▢\n  y = 1\n",
        "return 1\n  y = 2",
        "class A:\n  def f(self):\n    '''Doc.'''\n    return 1\n  y = 1\n",
    ),
    body(
        "python",
        "def f(xs):\n    # TODO: sum them‸\n\ng()\n",
        "f",
        "def f(xs):\n    # TODO: sum them\n    ▢\n\ng()\n",
        "return sum(xs)",
        "def f(xs):\n    return sum(xs)\n\ng()\n",
    ),
    body(
        "python",
        "def f(xs):\n    # The sum.\n    pass  # TODO(me): sum them‸\n",
        "f",
        "def f(xs):\n    # The sum.\n    # TODO(me): sum them\n    ▢\n",
        "return sum(xs)",
        "def f(xs):\n    # The sum.\n    return sum(xs)\n",
    ),
    body(
        "python",
        "def f(a):\r\n\t'''Doc.'''\r\n\tpass‸\r\n",
        "f",
        "def f(a):\n\t'''Doc.'''\n\t▢\n",
        "if a:\n        return 1\n    return 2",
        "def f(a):\r\n\t'''Doc.'''\r\n\tif a:\r\n\t\treturn 1\r\n\treturn 2\r\n",
    ),
    body(
        "python",
        '@d(\'🎉\')\nasync def 名(é):  # noqa\n    """Ünï."""‸\n',
        "名",
        '@d(\'🎉\')\nasync def 名(é):  # noqa\n    """Ünï."""\n    ▢\n',
        "return é",
        '@d(\'🎉\')\nasync def 名(é):  # noqa\n    """Ünï."""\n    return é\n',
    ),
    no("fill_body", "python", "def f(a):‸\n    return a\n"),
    no("fill_body", "python", "@overload\ndef f(a: int) -> int: ...‸\n"),
    no("fill_body", "python", "class A:\n    @abc.abstractmethod\n    def f(a):\n        ...‸\n"),
    no("fill_body", "python", "x = 1‸\n"),
    no("fill_body", "python", "def f():\n    pass\n\n\nx = 1‸\n"),
    body(
        "javascript",
        "function f(a) {‸}\n",
        "f",
        "function f(a) {\n    ▢\n}\n",
        "return a;\n}",
        "function f(a) {\n    return a;\n}\n",
    ),
    body(
        "javascript",
        "const g = (a) => {\n  // TODO: double‸\n};\n",
        "g",
        "const g = (a) => {\n  // TODO: double\n  ▢\n};\n",
        "return 2 * a;",
        "const g = (a) => {\n  return 2 * a;\n};\n",
    ),
    body(
        "javascript",
        "class A {\n  m() {\n    throw new Error('Not implemented');‸\n  }\n}\n",
        "m",
        "class A {\n  m() {\n    ▢\n  }\n}\n",
        "return 1;\n  }\n}",
        "class A {\n  m() {\n    return 1;\n  }\n}\n",
    ),
    body(
        "javascript",
        "  on(() => {‸ });\n",
        None,
        "  on(() => {\n    ▢\n  });\n",
        "go();",
        "  on(() => {\n    go();\n  });\n",
    ),
    body(
        "javascriptreact",
        "const A = () => { /* TODO */‸ }\n",
        "A",
        "const A = () => {\n    /* TODO */\n    ▢\n}\n",
        "return <p>{1}</p>",
        "const A = () => {\n    return <p>{1}</p>\n}\n",
    ),
    body(
        "typescript",
        "export function f(a: number): string {\r\n  ???‸\r\n}\r\n",
        "f",
        "export function f(a: number): string {\n  ▢\n}\n",
        "return `${a}`;\n}",
        "export function f(a: number): string {\r\n  return `${a}`;\r\n}\r\n",
    ),
    body(
        "typescriptreact",
        'function V(p: P) {\n  // not yet\n  throw new Error("TODO")‸\n}\n',
        "V",
        "function V(p: P) {\n  // not yet\n  ▢\n}\n",
        "return <p/>;",
        "function V(p: P) {\n  // not yet\n  return <p/>;\n}\n",
    ),
    no("fill_body", "typescript", "interface A { f(a: number): string‸ }\n"),
    body(
        "go",
        'func (s *T) M(a int) int {‸\n\tpanic("not implemented")\n}\n',
        "M",
        "func (s *T) M(a int) int {\n\t▢\n}\n",
        "if a > 0 {\n        return 1\n    }\n    return a",
        "func (s *T) M(a int) int {\n\tif a > 0 {\n\t\treturn 1\n\t}\n\treturn a\n}\n",
    ),
    body("go", "func f() {‸}\n", "f", "func f() {\n\t▢\n}\n", "g()", "func f() {\n\tg()\n}\n"),
    body(
        "rust",
        "fn f(a: i32) -> i32 { todo!()‸ }\n",
        "f",
        "fn f(a: i32) -> i32 {\n    ▢\n}\n",
        "a + 1",
        "fn f(a: i32) -> i32 {\n    a + 1\n}\n",
    ),
    body(
        "rust",
        'impl A {\n    fn g(&self) {\n        unimplemented!("later");‸\n    }\n}\n',
        "g",
        "impl A {\n    fn g(&self) {\n        ▢\n    }\n}\n",
        "h();\n    }\n}\n",
        "impl A {\n    fn g(&self) {\n        h();\n    }\n}\n",
    ),
    no("fill_body", "rust", "trait A { fn g(&self);‸ }\n"),
    body(
        "c",
        "static int *f(int a)\n{\n\t/* TODO: add one */‸\n}\n",
        "f",
        "static int *f(int a)\n{\n\t/* TODO: add one */\n\t▢\n}\n",
        "return a + 1;",
        "static int *f(int a)\n{\n\treturn a + 1;\n}\n",
    ),
    body(
        "cpp",
        "int A::f(int a) const {‸}\n",
        "A::f",
        "int A::f(int a) const {\n    ▢\n}\n",
        "return a;",
        "int A::f(int a) const {\n    return a;\n}\n",
    ),
    body(
        "cpp",
        'void g() {\n  throw std::logic_error("not implemented");‸\n}\n',
        "g",
        "void g() {\n  ▢\n}\n",
        "h();",
        "void g() {\n  h();\n}\n",
    ),
    body(
        "java",
        "class A {\n    int f(int a) {\n        throw new UnsupportedOperationException();‸\n    }\n}\n",
        "f",
        "class A {\n    int f(int a) {\n        ▢\n    }\n}\n",
        "return a;\n    }",
        "class A {\n    int f(int a) {\n        return a;\n    }\n}\n",
    ),
    body(
        "java",
        "class A {\n    A() {‸}\n}\n",
        "A",
        "class A {\n    A() {\n        ▢\n    }\n}\n",
        "b = 1;",
        "class A {\n    A() {\n        b = 1;\n    }\n}\n",
    ),
    no("fill_body", "java", "interface A { int f();‸ }\n"),
    body(
        "lua",
        "local function f(a)‸\nend\n",
        "f",
        "local function f(a)\n  ▢\nend\n",
        "return a\nend",
        "local function f(a)\n  return a\nend\n",
    ),
    body(
        "lua",
        "M.g = function(a)\n  -- TODO: go‸\nend\n",
        "M.g",
        "M.g = function(a)\n  -- TODO: go\n  ▢\nend\n",
        "go(a)",
        "M.g = function(a)\n  go(a)\nend\n",
    ),
    body(
        "lua",
        "function M:h() error('not implemented')‸ end\n",
        "M:h",
        "function M:h()\n  ▢\nend\n",
        "go()",
        "function M:h()\n  go()\nend\n",
    ),
    body(
        "ruby",
        "class A\n  def f(a)‸\n    raise NotImplementedError, 'x'\n  end\nend\n",
        "f",
        "class A\n  def f(a)\n    ▢\n  end\nend\n",
        "a + 1\n  end",
        "class A\n  def f(a)\n    a + 1\n  end\nend\n",
    ),
    body(
        "ruby", "def self.g; end‸\n", "g", "def self.g;\n  ▢\nend\n", "1", "def self.g;\n  1\nend\n"
    ),
    body(
        "shellscript",
        "f() {\n  : # TODO: say hi‸\n}\n",
        "f",
        "f() {\n  # TODO: say hi\n  ▢\n}\n",
        "echo hi\n}",
        "f() {\n  echo hi\n}\n",
    ),
    body(
        "shellscript",
        "function g {‸\n}\n",
        "g",
        "function g {\n    ▢\n}\n",
        "ls",
        "function g {\n    ls\n}\n",
    ),
]

HOLES = [
    holes(
        "python",
        "def f(xs):‸\n    total = ...\n    for x in ???:\n        # TODO: add x\n    return TODO\n",
        "Fill the 4 holes in `f`",
        "def f(xs):\n    total = ▢\n    for x in ▢:\n        # TODO: add x\n        ▢\n    return ▢\n",
        "0",
        "xs",
        "total += x",
        "total",
        after="def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n",
    ),
    holes(
        "python",
        "def f(a: tuple[int, ...], *b):‸\n    x = a[..., 0]\n    g(..., 1)\n    raise NotImplementedError\n",
        "Fill the 2 holes in `f`",
        "def f(a: tuple[int, ...], *b):\n    x = a[..., 0]\n    g(▢, 1)\n    ▢\n",
        "x)",
        "return x",
        after="def f(a: tuple[int, ...], *b):\n    x = a[..., 0]\n    g(x, 1)\n    return x\n",
    ),
    holes(
        "python",
        "def f():\n    x = '...'  # TODO: later\n    y = f'{...}'‸\n    # see ...\n    return y\n",
        "Fill the hole in `f`",
        "def f():\n    x = '...'  # TODO: later\n    y = f'{▢}'\n    # see ...\n    return y\n",
        "x}",
        after="def f():\n    x = '...'  # TODO: later\n    y = f'{x}'\n    # see ...\n    return y\n",
    ),
    no("fill_holes", "python", "def f():‸\n    pass\n"),
    no("fill_holes", "python", "def f():‸\n    ...\n"),
    no("fill_holes", "python", "x = ...‸\ny = ...\n"),
    holes(
        "javascript",
        "function f(a) {\n  let x = ...;\n  if (???) {\n    // TODO: log it‸\n  }\n  g(...a, ...);\n}\n",
        "Fill the 4 holes in `f`",
        "function f(a) {\n  let x = ▢;\n  if (▢) {\n    // TODO: log it\n    ▢\n  }\n  g(...a, ▢);\n}\n",
        "1;",
        "x)",
        "log(a);\n  }",
        "x);",
        after="function f(a) {\n  let x = 1;\n  if (x) {\n    log(a);\n  }\n  g(...a, x);\n}\n",
    ),
    holes(
        "typescript",
        "const f = (a: number): string => {‸\r\n  const s = TODO;\r\n  return ???;\r\n};\r\n",
        "Fill the 2 holes in `f`",
        "const f = (a: number): string => {\n  const s = ▢;\n  return ▢;\n};\n",
        "`${a}`",
        "s;",
        after="const f = (a: number): string => {\r\n  const s = `${a}`;\r\n  return s;\r\n};\r\n",
    ),
    holes(
        "typescriptreact",
        "function V() {‸\n  const a = ???;\n  return <p>{/* TODO: a */}</p>;\n}\n",
        "Fill the 2 holes in `V`",
        "function V() {\n  const a = ▢;\n  return <p>{/* TODO: a */ ▢}</p>;\n}\n",
        "1",
        "a}",
        after="function V() {\n  const a = 1;\n  return <p>{a}</p>;\n}\n",
    ),
    holes(
        "go",
        'func f(a ...int) int {‸\n\tb := [...]int{1}\n\tx := ...\n\tg(a...)\n\tpanic("TODO")\n}\n',
        "Fill the 2 holes in `f`",
        "func f(a ...int) int {\n\tb := [...]int{1}\n\tx := ▢\n\tg(a...)\n\t▢\n}\n",
        "b[0]",
        "return x",
        after="func f(a ...int) int {\n\tb := [...]int{1}\n\tx := b[0]\n\tg(a...)\n\treturn x\n}\n",
    ),
    holes(
        "rust",
        'fn f(a: i32) -> i32 {‸\n    let x = todo!();\n    let y = ...;\n    todo!("z")\n}\n',
        "Fill the 3 holes in `f`",
        "fn f(a: i32) -> i32 {\n    let x = ▢;\n    let y = ▢;\n    ▢\n}\n",
        "1",
        "2",
        "x + y",
        after="fn f(a: i32) -> i32 {\n    let x = 1;\n    let y = 2;\n    x + y\n}\n",
    ),
    holes(
        "c",
        "int f(int n, ...) {‸\n  int x = ...;\n  while (???)\n    g(/* TODO */);\n  return x;\n}\n",
        "Fill the 3 holes in `f`",
        "int f(int n, ...) {\n  int x = ▢;\n  while (▢)\n    g(/* TODO */ ▢);\n  return x;\n}\n",
        "0",
        "x < n",
        "x",
        after="int f(int n, ...) {\n  int x = 0;\n  while (x < n)\n    g(x);\n  return x;\n}\n",
    ),
    holes(
        "cpp",
        "template <class... T>\nint f(T... a) {‸\n  int x = (a + ...);\n  try { g(a...); } catch (...) {}\n  return x + ???;\n}\n",
        "Fill the hole in `f`",
        "template <class... T>\nint f(T... a) {\n  int x = (a + ...);\n  try { g(a...); } catch (...) {}\n  return x + ▢;\n}\n",
        "1",
        after="template <class... T>\nint f(T... a) {\n  int x = (a + ...);\n  try { g(a...); } catch (...) {}\n  return x + 1;\n}\n",
    ),
    holes(
        "java",
        "class A {\n  int f(String... a) {‸\n    int x = ...;\n    return TODO;\n  }\n}\n",
        "Fill the 2 holes in `f`",
        "class A {\n  int f(String... a) {\n    int x = ▢;\n    return ▢;\n  }\n}\n",
        "1",
        "x",
        after="class A {\n  int f(String... a) {\n    int x = 1;\n    return x;\n  }\n}\n",
    ),
    holes(
        "lua",
        "local function f(a)‸\n  local x = ...\n  -- TODO: print x\n  return ???\nend\n",
        "Fill the 3 holes in `f`",
        "local function f(a)\n  local x = ▢\n  -- TODO: print x\n  ▢\n  return ▢\nend\n",
        "a",
        "print(x)",
        "x",
        after="local function f(a)\n  local x = a\n  print(x)\n  return x\nend\n",
    ),
    no("fill_holes", "lua", "local function f(...)‸\n  local x = ...\n  return x\nend\n"),
    holes(
        "ruby",
        "def f(a)‸\n  x = ...\n  # TODO: print x\n  g(1...3)\n  x\nend\n",
        "Fill the 2 holes in `f`",
        "def f(a)\n  x = ▢\n  # TODO: print x\n  ▢\n  g(1...3)\n  x\nend\n",
        "a",
        "puts x",
        after="def f(a)\n  x = a\n  puts x\n  g(1...3)\n  x\nend\n",
    ),
    no("fill_holes", "ruby", "def f(...)‸\n  g(...)\nend\n"),
    holes(
        "shellscript",
        "f() {‸\n  x=...\n  # TODO: print x\n  ls ???\n}\n",
        "Fill the 2 holes in `f`",
        "f() {\n  x=▢\n  # TODO: print x\n  ▢\n  ls ???\n}\n",
        "1",
        'echo "$x"',
        after='f() {\n  x=1\n  echo "$x"\n  ls ???\n}\n',
    ),
]

TODOS = [
    todo(
        "python",
        "x = 1\n# TODO: print x‸\ny = 2\n",
        "print x",
        "x = 1\n# TODO: print x\n▢\ny = 2\n",
        "print(x)\ny = 2",
        "x = 1\nprint(x)\ny = 2\n",
    ),
    todo(
        "python",
        "def f(x):\r\n    y = x\r\n    # TODO(me): check‸ y,\r\n    # or fail\r\n    pass\r\n\r\ng()\r\n",
        "check y,",
        "def f(x):\n    y = x\n    # TODO(me): check y,\n    # or fail\n    ▢\n\ng()\n",
        "assert y",
        "def f(x):\r\n    y = x\r\n    assert y\r\n\r\ng()\r\n",
    ),
    Case("do_todo", "python", "# FIXME‸\n", "Do this TODO", "# FIXME\n▢\n", ("x = 1",), "x = 1\n"),
    no("do_todo", "python", "x = 1  # TODO: later‸\n"),
    no("do_todo", "python", "# plain‸\n"),
    no("do_todo", "python", "s = '''\n# TODO: x‸\n'''\n"),
    no("do_todo", "python", "# TODO: here\n\n\nx = 1‸\n"),
    todo(
        "javascript",
        "function f() {\n  g();\n  /* TODO: call h */‸\n}\n",
        "call h",
        "function f() {\n  g();\n  /* TODO: call h */\n  ▢\n}\n",
        "h();",
        "function f() {\n  g();\n  h();\n}\n",
    ),
    todo(
        "typescript",
        "// TODO: export one‸\n",
        "export one",
        "// TODO: export one\n▢\n",
        "export const one = 1;",
        "export const one = 1;\n",
    ),
    todo(
        "typescriptreact",
        "// TODO: a‸\nlet b;\n",
        "a",
        "// TODO: a\n▢\nlet b;\n",
        "let a;",
        "let a;\nlet b;\n",
    ),
    todo(
        "go",
        "func f() {\n\tg()\n\t// TODO: call h‸\n}\n",
        "call h",
        "func f() {\n\tg()\n\t// TODO: call h\n\t▢\n}\n",
        "h()\n}",
        "func f() {\n\tg()\n\th()\n}\n",
    ),
    todo(
        "rust",
        "fn f() {\n    g();\n    // TODO: call h‸\n    todo!();\n}\n",
        "call h",
        "fn f() {\n    g();\n    // TODO: call h\n    ▢\n}\n",
        "h();",
        "fn f() {\n    g();\n    h();\n}\n",
    ),
    todo(
        "c",
        "int f(void) {\n  g();\n  // TODO: return‸\n}\n",
        "return",
        "int f(void) {\n  g();\n  // TODO: return\n  ▢\n}\n",
        "return 1;",
        "int f(void) {\n  g();\n  return 1;\n}\n",
    ),
    todo(
        "cpp",
        "void f() {\n  g();\n  // TODO: h‸\n}\n",
        "h",
        "void f() {\n  g();\n  // TODO: h\n  ▢\n}\n",
        "h();",
        "void f() {\n  g();\n  h();\n}\n",
    ),
    todo(
        "java",
        "class A {\n  // TODO: a field‸\n}\n",
        "a field",
        "class A {\n  // TODO: a field\n  ▢\n}\n",
        "int x;\n}",
        "class A {\n  int x;\n}\n",
    ),
    todo("lua", "f()\n-- TODO: g‸\n", "g", "f()\n-- TODO: g\n▢\n", "g()", "f()\ng()\n"),
    todo("ruby", "f\n# TODO: g‸\n", "g", "f\n# TODO: g\n▢\n", "g", "f\ng\n"),
    todo(
        "shellscript",
        "cd x\n# TODO: list all of the files there, one by one, newest first‸\n",
        "list all of the files there, one by one, newest f…",
        "cd x\n# TODO: list all of the files there, one by one, newest first\n▢\n",
        "ls -t1",
        "cd x\nls -t1\n",
    ),
]

DOCSTRINGS = [
    docstring(
        "python",
        "def f(a):‸\n    return a\n",
        "f",
        'def f(a):\n    """▢"""\n    return a\n',
        'Give a."""',
        'def f(a):\n    """Give a."""\n    return a\n',
    ),
    docstring(
        "python",
        "class A:‸  # noqa\r\n\tx = 1\r\n",
        "A",
        'class A:  # noqa\n\t"""▢"""\n\tx = 1\n',
        "An A.",
        'class A:  # noqa\r\n\t"""An A."""\r\n\tx = 1\r\n',
    ),
    docstring(
        "python",
        "def f(\n    a‸,\n):\n    ''' '''\n",
        "f",
        "def f(\n    a,\n):\n    '''▢'''\n",
        "Do.",
        "def f(\n    a,\n):\n    '''Do.'''\n",
    ),
    no("write_docstring", "python", 'def f():‸\n    """Doc."""\n'),
    no("write_docstring", "python", "def f(a): return a‸\n"),
    no("write_docstring", "python", "def f(a):\n    return a‸\n"),
    docstring(
        "javascript",
        "  function f(a) {‸ return a; }\n",
        "f",
        "  /** ▢ */\n  function f(a) { return a; }\n",
        "Gives a. */",
        "  /** Gives a. */\n  function f(a) { return a; }\n",
    ),
    docstring(
        "javascript",
        "export const g = (a) =>‸ { return a; }\n",
        "g",
        "/** ▢ */\nexport const g = (a) => { return a; }\n",
        "Gives a.",
        "/** Gives a. */\nexport const g = (a) => { return a; }\n",
    ),
    no("write_docstring", "javascript", "/** Doc. */\nexport const g = (a) =>‸ { return a; }\n"),
    no("write_docstring", "javascript", "go((a) =>‸ { return a; });\n"),
    docstring(
        "typescript",
        "export interface A‸ {\n}\n",
        "A",
        "/** ▢ */\nexport interface A {\n}\n",
        "An A.",
        "/** An A. */\nexport interface A {\n}\n",
    ),
    docstring(
        "typescriptreact",
        "class A {\n  @d()\n  m(‸) { }\n}\n",
        "m",
        "class A {\n  @d()\n  /** ▢ */\n  m() { }\n}\n",
        "Does.",
        "class A {\n  @d()\n  /** Does. */\n  m() { }\n}\n",
    ),
    docstring(
        "go",
        "func F(‸a int) int {\n\treturn a\n}\n",
        "F",
        "// F ▢\nfunc F(a int) int {\n\treturn a\n}\n",
        "gives a.",
        "// F gives a.\nfunc F(a int) int {\n\treturn a\n}\n",
    ),
    docstring(
        "go",
        "type T‸ struct{}\n",
        "T",
        "// T ▢\ntype T struct{}\n",
        "is a T.",
        "// T is a T.\ntype T struct{}\n",
    ),
    docstring(
        "rust",
        "    #[inline]\n    pub fn f(‸) {}\n",
        "f",
        "    #[inline]\n    /// ▢\n    pub fn f() {}\n",
        "Does.",
        "    #[inline]\n    /// Does.\n    pub fn f() {}\n",
    ),
    no("write_docstring", "rust", "/// Doc.\n#[derive(A)]\nstruct S‸;\n"),
    docstring(
        "c",
        "static int f(‸void) { return 1; }\r\n",
        "f",
        "/** ▢ */\nstatic int f(void) { return 1; }\n",
        "One.",
        "/** One. */\r\nstatic int f(void) { return 1; }\r\n",
    ),
    docstring(
        "cpp",
        "template <class T>\nT f(T a‸) { return a; }\n",
        "f",
        "/** ▢ */\ntemplate <class T>\nT f(T a) { return a; }\n",
        "Gives a.",
        "/** Gives a. */\ntemplate <class T>\nT f(T a) { return a; }\n",
    ),
    docstring(
        "java",
        "class A {\n  public int f(‸) { return 1; }\n}\n",
        "f",
        "class A {\n  /** ▢ */\n  public int f() { return 1; }\n}\n",
        "One.",
        "class A {\n  /** One. */\n  public int f() { return 1; }\n}\n",
    ),
    docstring(
        "lua",
        "local function f(‸a) return a end\n",
        "f",
        "--- ▢\nlocal function f(a) return a end\n",
        "Gives a.",
        "--- Gives a.\nlocal function f(a) return a end\n",
    ),
    docstring(
        "ruby",
        "  def f(‸a)\n    a\n  end\n",
        "f",
        "  # ▢\n  def f(a)\n    a\n  end\n",
        "Gives a.",
        "  # Gives a.\n  def f(a)\n    a\n  end\n",
    ),
    docstring(
        "shellscript",
        "f() {‸\n  ls\n}\n",
        "f",
        "# ▢\nf() {\n  ls\n}\n",
        "Lists.",
        "# Lists.\nf() {\n  ls\n}\n",
    ),
]

GAPS = [
    Case(
        "fill_gap",
        "python",
        "def f(a):\n    return ‸\n",
        "Fill the gap at the cursor in `f`",
        "def f(a):\n    return ▢\n",
        ("a",),
        "def f(a):\n    return a\n",
    ),
    Case(
        "fill_gap",
        "python",
        "x = (‸)\n",
        "Fill the gap at the cursor",
        "x = (▢)\n",
        ("1)",),
        "x = (1)\n",
    ),
    no("fill_gap", "python", "na‸me\n"),
    no("fill_gap", "python", "x = ‸1‸\n"),
    Case(
        "fill_gap",
        "plaintext",
        "Dear ‸,\n",
        "Fill the gap at the cursor",
        "Dear ▢,\n",
        ("Sir",),
        "Dear Sir,\n",
    ),
]

SELECTIONS = [
    Case(
        "rewrite_selection",
        "python",
        "def f(a):\n‸    x = a\n    y = x\n‸    return y\n",
        "Rewrite the selection in `f`",
        "def f(a):\n    ▢\n    return y\n",
        ("y = a",),
        "def f(a):\n    y = a\n    return y\n",
    ),
    Case(
        "rewrite_selection",
        "plaintext",
        "a = ‸b‸ + c\n",
        "Rewrite the selection",
        "a = ▢ + c\n",
        ("z",),
        "a = z + c\n",
    ),
    no("rewrite_selection", "python", "a‸  \n‸b\n"),
    no("rewrite_selection", "python", "a‸ = 1\n"),
]

ALL = BODIES + HOLES + TODOS + DOCSTRINGS + GAPS + SELECTIONS
