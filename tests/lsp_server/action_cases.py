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


def anew(language: str, before: str, asked: str, fill: str, after: str) -> Case:
    title = "Write the body of `f` anew"
    return Case("fill_body", language, before, title, asked, (fill,), after)


def holes(language: str, before: str, title: str, asked: str, *fills: str, after: str) -> Case:
    return Case("fill_holes", language, before, title, asked, fills, after)


def todo(language: str, before: str, wish: str, asked: str, fill: str, after: str) -> Case:
    return Case("do_todo", language, before, f"Do this TODO: {wish}", asked, (fill,), after)


def docstring(language: str, before: str, name: str, asked: str, *fills: str, after: str) -> Case:
    title = f"Write the docstring of `{name}`"
    return Case("write_docstring", language, before, title, asked, fills, after)


def no(action: str, language: str, before: str) -> Case:
    return Case(action, language, before, None)


BODIES = [
    anew(
        "python",
        "def f(‸a):\n    b = a\n    return b\n\n\nx = 1\n",
        "def f(a):\n    ▢\n\n\nx = 1\n",
        "return 2 * a",
        "def f(a):\n    return 2 * a\n\n\nx = 1\n",
    ),
    anew(
        "python",
        'class A:\n    def ‸f(self):\n        "Doc."\n\n        # why\n        return self.a\n',
        'class A:\n    def f(self):\n        "Doc."\n\n        ▢\n',
        "return 1",
        'class A:\n    def f(self):\n        "Doc."\n\n        return 1\n',
    ),
    anew(
        "python",
        "‸def f(a): return a\n",
        "def f(a):\n    ▢\n",
        "return 2 * a",
        "def f(a):\n    return 2 * a\n",
    ),
    anew(
        "javascript",
        "function f(a)‸ {\n  const b = a;\n  return b;\n}\n",
        "function f(a) {\n  ▢\n}\n",
        "return 2 * a;",
        "function f(a) {\n  return 2 * a;\n}\n",
    ),
    anew(
        "javascript",
        "‸function f(a) { return a; }\n",
        "function f(a) {\n    ▢\n}\n",
        "return 2 * a;",
        "function f(a) {\n    return 2 * a;\n}\n",
    ),
    anew(
        "go",
        "func f‸(a int) int {\n\treturn a\n}\n",
        "func f(a int) int {\n\t▢\n}\n",
        "return 2 * a",
        "func f(a int) int {\n\treturn 2 * a\n}\n",
    ),
    anew(
        "ruby",
        "def f‸(a)\n  a\nend\n",
        "def f(a)\n  ▢\nend\n",
        "2 * a",
        "def f(a)\n  2 * a\nend\n",
    ),
    no("fill_body", "python", "def f(a):\n    return‸ a\n"),
    no("fill_body", "python", "@abstractmethod\ndef f‸(a):\n    return a\n"),
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
    todo(
        "python",
        "if a:\r\n    x = 1  # TODO: read it‸\r\n    y\r\n",
        "read it",
        "if a:\n    # TODO: read it\n    x = ▢\n    y\n",
        "read()",
        "if a:\r\n    x = read()\r\n    y\r\n",
    ),
    todo(
        "typescript",
        "const x: number = f(1)‸; // TODO: use g\n",
        "use g",
        "// TODO: use g\nconst x: number = ▢\n",
        "g(1);",
        "const x: number = g(1);\n",
    ),
    todo(
        "go",
        "func f() {\n\tlog(1‸) // FIXME: two\n}\n",
        "two",
        "func f() {\n\t// FIXME: two\n\t▢\n}\n",
        "log(2)",
        "func f() {\n\tlog(2)\n}\n",
    ),
    no("do_todo", "python", "if x:  # TODO: later‸\n    pass\n"),
    no("do_todo", "python", "f(\n    1)  # TODO: later‸\n"),
    no("do_todo", "python", "x = 1  # later‸\n"),
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
        "def f(self):‸\n    return\n",
        "f",
        'def f(self):\n    """▢"""\n    return\n',
        'Do.""" + x',
        after='def f(self):\n    """Do."""\n    return\n',
    ),
    docstring(
        "python",
        "class A:‸  # noqa\r\n\tx = 1\r\n",
        "A",
        'class A:  # noqa\n\t"""▢"""\n\tx = 1\n',
        "An A.",
        after='class A:  # noqa\r\n\t"""An A."""\r\n\tx = 1\r\n',
    ),
    docstring(
        "python",
        "class A:\r\n\tdef f(self, a, *b: int):‸\r\n\t\tif a: raise ValueError(a)\r\n\t\treturn b\r\n",
        "f",
        'class A:\n\tdef f(self, a, *b: int):\n\t\t"""▢\n\n\t\tArgs:\n\t\t\ta: ▢\n\t\t\t*b: ▢\n\n\t\tReturns:\n\t\t\t▢\n\n'
        '\t\tRaises:\n\t\t\tValueError: ▢\n\t\t"""\n\t\tif a: raise ValueError(a)\n\t\treturn b\n',
        "Give b.",
        "What to look at.",
        "",
        "All of b.",
        "a is one.",
        after='class A:\r\n\tdef f(self, a, *b: int):\r\n\t\t"""Give b.\r\n\r\n\t\tArgs:\r\n\t\t\ta: What to look at.\r\n\t\t\t*b:\r\n\r\n'
        '\t\tReturns:\r\n\t\t\tAll of b.\r\n\r\n\t\tRaises:\r\n\t\t\tValueError: a is one.\r\n\t\t"""\r\n\t\tif a: raise ValueError(a)\r\n\t\treturn b\r\n',
    ),
    docstring(
        "python",
        "def f(\n    a‸,\n):\n    ''' '''\n",
        "f",
        "def f(\n    a,\n):\n    '''▢\n\n    Args:\n        a: ▢\n    '''\n",
        "Do.",
        "It.",
        after="def f(\n    a,\n):\n    '''Do.\n\n    Args:\n        a: It.\n    '''\n",
    ),
    docstring(
        "python",
        'def g():\n    """G.\n\n    Returns\n    -------\n    int\n    """\n\ndef f(a: int, b=1):‸\n    yield a\n',
        "f",
        'def g():\n    """G.\n\n    Returns\n    -------\n    int\n    """\n\ndef f(a: int, b=1):\n    """▢\n\n    Parameters\n    ----------\n'
        '    a : int\n        ▢\n    b\n        ▢\n\n    Yields\n    ------\n        ▢\n    """\n    yield a\n',
        "F.",
        "One.",
        "Two.",
        "Three.",
        after='def g():\n    """G.\n\n    Returns\n    -------\n    int\n    """\n\ndef f(a: int, b=1):\n    """F.\n\n    Parameters\n    ----------\n'
        '    a : int\n        One.\n    b\n        Two.\n\n    Yields\n    ------\n        Three.\n    """\n    yield a\n',
    ),
    docstring(
        "python",
        'def g(x):\n    """G.\n\n    :param x: X.\n    """\n\nasync def f(a) -> int:‸\n    pass\n',
        "f",
        'def g(x):\n    """G.\n\n    :param x: X.\n    """\n\nasync def f(a) -> int:\n    """▢\n\n    :param a: ▢\n    :returns: ▢\n    """\n    pass\n',
        "F.",
        "A.",
        "One.",
        after='def g(x):\n    """G.\n\n    :param x: X.\n    """\n\nasync def f(a) -> int:\n    """F.\n\n    :param a: A.\n    :returns: One.\n    """\n    pass\n',
    ),
    docstring(
        "python",
        'def g(x):\n    """G."""\n\ndef f(a):‸\n    return a\n',
        "f",
        'def g(x):\n    """G."""\n\ndef f(a):\n    """▢"""\n    return a\n',
        "F.",
        after='def g(x):\n    """G."""\n\ndef f(a):\n    """F."""\n    return a\n',
    ),
    no("write_docstring", "python", 'def f():‸\n    """Doc."""\n'),
    no("write_docstring", "python", "def f(a): return a‸\n"),
    no("write_docstring", "python", "def f(a):\n    return a‸\n"),
    docstring(
        "javascript",
        "  function f(a, {b}, ...c) {‸ throw new TypeError(a); }\n",
        "f",
        "  /**\n   * ▢\n   *\n   * @param a - ▢\n   * @param c - ▢\n   * @throws {TypeError} ▢\n   */\n  function f(a, {b}, ...c) { throw new TypeError(a); }\n",
        "Gives up. */",
        "Why.",
        "More.",
        "Always.",
        after="  /**\n   * Gives up.\n   *\n   * @param a - Why.\n   * @param c - More.\n   * @throws {TypeError} Always.\n   */\n  function f(a, {b}, ...c) { throw new TypeError(a); }\n",
    ),
    docstring(
        "javascript",
        "export const g = (a) =>‸ a;\n",
        "g",
        "/**\n * ▢\n *\n * @param a - ▢\n * @returns ▢\n */\nexport const g = (a) => a;\n",
        "Gives a.",
        "A.",
        "A too.",
        after="/**\n * Gives a.\n *\n * @param a - A.\n * @returns A too.\n */\nexport const g = (a) => a;\n",
    ),
    docstring(
        "javascript",
        "/** F. */\nfunction f(a) { return a; }\n\nfunction g(‸a) { return a; }\n",
        "g",
        "/** F. */\nfunction f(a) { return a; }\n\n/** ▢ */\nfunction g(a) { return a; }\n",
        "G.",
        after="/** F. */\nfunction f(a) { return a; }\n\n/** G. */\nfunction g(a) { return a; }\n",
    ),
    no("write_docstring", "javascript", "/** Doc. */\nexport const g = (a) =>‸ { return a; }\n"),
    no("write_docstring", "javascript", "go((a) =>‸ { return a; });\n"),
    docstring(
        "typescript",
        "export interface A‸ {\n}\n",
        "A",
        "/** ▢ */\nexport interface A {\n}\n",
        "An A.",
        after="/** An A. */\nexport interface A {\n}\n",
    ),
    docstring(
        "typescript",
        "async function f(a?: number‸): Promise<void> {}\n",
        "f",
        "/**\n * ▢\n *\n * @param a - ▢\n */\nasync function f(a?: number): Promise<void> {}\n",
        "Do.",
        "A.",
        after="/**\n * Do.\n *\n * @param a - A.\n */\nasync function f(a?: number): Promise<void> {}\n",
    ),
    docstring(
        "typescriptreact",
        "class A {\n  @d()\n  m(‸) { }\n}\n",
        "m",
        "class A {\n  @d()\n  /** ▢ */\n  m() { }\n}\n",
        "Does.",
        after="class A {\n  @d()\n  /** Does. */\n  m() { }\n}\n",
    ),
    docstring(
        "go",
        "func F(‸a int) int {\n\treturn a\n}\n",
        "F",
        "// F ▢\nfunc F(a int) int {\n\treturn a\n}\n",
        "gives a.",
        after="// F gives a.\nfunc F(a int) int {\n\treturn a\n}\n",
    ),
    docstring(
        "go",
        "type T‸ struct{}\n",
        "T",
        "// T ▢\ntype T struct{}\n",
        "is a T.",
        after="// T is a T.\ntype T struct{}\n",
    ),
    docstring(
        "rust",
        "    #[inline]\n    pub fn f(‸) {}\n",
        "f",
        "    #[inline]\n    /// ▢\n    pub fn f() {}\n",
        "Does.",
        after="    #[inline]\n    /// Does.\n    pub fn f() {}\n",
    ),
    docstring(
        "rust",
        "fn f(a: u8) -> io::Result<u8> {‸ Ok(a) }\n",
        "f",
        "/// ▢\n///\n/// # Errors\n///\n/// ▢\nfn f(a: u8) -> io::Result<u8> { Ok(a) }\n",
        "Does.",
        "Never.",
        after="/// Does.\n///\n/// # Errors\n///\n/// Never.\nfn f(a: u8) -> io::Result<u8> { Ok(a) }\n",
    ),
    no("write_docstring", "rust", "/// Doc.\n#[derive(A)]\nstruct S‸;\n"),
    docstring(
        "c",
        "static void f(‸void) { }\r\n",
        "f",
        "/** ▢ */\nstatic void f(void) { }\n",
        "One.",
        after="/** One. */\r\nstatic void f(void) { }\r\n",
    ),
    docstring(
        "c",
        "/** \\brief A. */\r\nint a;\r\n\r\nchar *f(char **b‸) { return 0; }\r\n",
        "f",
        "/** \\brief A. */\nint a;\n\n/**\n * ▢\n *\n * \\param b ▢\n * \\return ▢\n */\nchar *f(char **b) { return 0; }\n",
        "F.",
        "B.",
        "Null.",
        after="/** \\brief A. */\r\nint a;\r\n\r\n/**\r\n * F.\r\n *\r\n * \\param b B.\r\n * \\return Null.\r\n */\r\nchar *f(char **b) { return 0; }\r\n",
    ),
    docstring(
        "cpp",
        "template <class T>\nvoid f(const T& a‸, int) { throw std::bad_alloc(); }\n",
        "f",
        "/**\n * ▢\n *\n * @param a ▢\n * @throws std::bad_alloc ▢\n */\ntemplate <class T>\nvoid f(const T& a, int) { throw std::bad_alloc(); }\n",
        "Takes a.",
        "A.",
        "Always.",
        after="/**\n * Takes a.\n *\n * @param a A.\n * @throws std::bad_alloc Always.\n */\ntemplate <class T>\nvoid f(const T& a, int) { throw std::bad_alloc(); }\n",
    ),
    docstring(
        "java",
        "class A {\n  public int f(String... a) throws IOException {‸ return 1; }\n}\n",
        "f",
        "class A {\n  /**\n   * ▢\n   *\n   * @param a ▢\n   * @return ▢\n   * @throws IOException ▢\n   */\n  public int f(String... a) throws IOException { return 1; }\n}\n",
        "One.",
        "A.",
        "1.",
        "No.",
        after="class A {\n  /**\n   * One.\n   *\n   * @param a A.\n   * @return 1.\n   * @throws IOException No.\n   */\n  public int f(String... a) throws IOException { return 1; }\n}\n",
    ),
    docstring(
        "lua",
        "local function f(‸a) return a end\n",
        "f",
        "--- ▢\n---\n---@param a ▢\n---@return ▢\nlocal function f(a) return a end\n",
        "Gives a.",
        "any It.",
        "any It too.",
        after="--- Gives a.\n---\n---@param a any It.\n---@return any It too.\nlocal function f(a) return a end\n",
    ),
    docstring(
        "lua",
        "--- G.\nlocal function g() end\n\nlocal function f(‸a) return a end\n",
        "f",
        "--- G.\nlocal function g() end\n\n--- ▢\nlocal function f(a) return a end\n",
        "F.",
        after="--- G.\nlocal function g() end\n\n--- F.\nlocal function f(a) return a end\n",
    ),
    docstring(
        "ruby",
        "  def f(‸a)\n    a\n  end\n",
        "f",
        "  # ▢\n  #\n  # @param a ▢\n  def f(a)\n    a\n  end\n",
        "Gives a.",
        "It.",
        after="  # Gives a.\n  #\n  # @param a It.\n  def f(a)\n    a\n  end\n",
    ),
    docstring(
        "shellscript",
        "f() {‸\n  ls\n}\n",
        "f",
        "# ▢\nf() {\n  ls\n}\n",
        "Lists.",
        after="# Lists.\nf() {\n  ls\n}\n",
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
