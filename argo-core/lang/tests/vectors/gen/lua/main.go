// Vectors of gopher-lua, with results as JSON by layeh.com/gopher-json.
package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"

	"vectors/emit"
)

const object = `{"metadata":{"name":"web","labels":{"app":"x"},"generation":3},"spec":{"replicas":3,"paused":false,"list":[1,"b",true,null]},"status":{"ready":2.5,"conditions":[{"type":"Ready","status":"True"},{"type":"Failed","status":"False","message":"m"}]},"none":null,"empty":{},"no":[]}`

func main() {
	time.Local = time.UTC
	for _, it := range scripts() {
		emit.Add("values", func() (any, error) { return run(it, "{}") }, it)
	}
	for _, it := range overObject {
		emit.Add("values", func() (any, error) { return run(it, object) }, it, json.RawMessage(object))
	}
	emit.Finish("lua", "github.com/yuin/gopher-lua v1.1.2, layeh.com/gopher-json")
}

func value(l *lua.LState, v any) lua.LValue {
	switch it := v.(type) {
	case bool:
		return lua.LBool(it)
	case float64:
		return lua.LNumber(it)
	case string:
		return lua.LString(it)
	case []any:
		table := l.NewTable()
		for _, item := range it {
			table.Append(value(l, item))
		}
		return table
	case map[string]any:
		table := l.NewTable()
		for key, item := range it {
			table.RawSetString(key, value(l, item))
		}
		return table
	}
	return lua.LNil
}

func run(script, obj string) (any, error) {
	l := lua.NewState()
	defer l.Close()
	var v any
	if err := json.Unmarshal([]byte(obj), &v); err != nil {
		panic(err)
	}
	l.SetGlobal("obj", value(l, v))
	fn, err := l.LoadString(script)
	if err != nil {
		return nil, err
	}
	l.Push(fn)
	if err := l.PCall(0, lua.MultRet, nil); err != nil {
		if it, ok := err.(*lua.ApiError); ok {
			it.StackTrace = ""
		}
		return nil, fmt.Errorf("%s", strings.TrimSpace(err.Error()))
	}
	out := []json.RawMessage{}
	for i := 1; i <= l.GetTop(); i++ {
		b, err := luajson.Encode(l.Get(i))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

var numbers = []string{"0", "1", "-1", "3.0", "2.5", "-0.5", "0.1", "1/3", "1e3", "1e14", "1e15", "1e16", "123456789012", "2^31", "2^53", "2^63", "-2^63", "1e21", "1e22", "1e100", "1e-5", "1e-4", "0.00001234", "1/0", "-1/0", "0/0", "1700000000", "3.14159265358979", "0x10", "100", "255", "1e308*10", "5 % 3", "-5 % 3", "5 % -3", "5.5 % 2", "7 / 2", "2 ^ 0.5", "-2 ^ 2", "10 - 2 - 3"}
var formats = []string{"%d", "%5d", "%-5d|", "%05d", "%+d", "%i", "%x", "%X", "%#x", "%o", "%c", "%u", "%s", "%10s|", "%-10s|", "%.2s", "%q", "%f", "%.2f", "%8.3f", "%e", "%g", "%G", "%.3g", "%%", "%5.1f%%", "%v", "%t", "a%sb", "no verbs", "%", "%d %d", "%z"}
var values = []string{"0", "1", "-7", "42", "3.7", "2.5", "65", "1e15", "1/3", "'x'", "'10'", "'0x1f'", "'a\\nb\"c'", "''", "true", "nil", "'é'"}
var subjects = []string{"''", "'hello world'", "'key = value'", "'2024-01-02T03:04:05Z'", "'a,b,,c'", "'  trim  '", "'(x(y)z)'", "'100%'", "'f(a,b)'", "'a.b.c'", "'THE (quick) fox'", "'x1y22z333'"}
var patterns = []string{"''", "'o'", "'l+'", "'(%w+)'", "'%s*(.-)%s*$'", "'(%w+)%s*=%s*(%w+)'", "'%d+'", "'(%d+)-(%d+)-(%d+)'", "'[^,]*'", "'%b()'", "'.'", "'%.'", "'()l()'", "'^h'", "'d$'", "'[a-c]'", "'[%a_][%w_]*'", "'%%'", "'%u%l*'", "'x?'", "'x*'", "'x-'", "'(a)(b)?'", "'[]]'", "'['", "'(.)%1'", "'%S+'", "'%p'", "'%x+'", "'[^%s]+'", "'a.b'"}

func scripts() []string {
	out := append([]string{}, snippets...)
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, n := range numbers {
		add("return tostring(%s)", n)
		add("return %s", n)
		add("return (%s) .. ''", n)
		add("return math.floor(%s), math.ceil(%s)", n, n)
		add("return table.concat({%s, 'x'}, ',')", n)
	}
	for _, f := range formats {
		for _, v := range values {
			add("return string.format('%s', %s)", f, v)
		}
	}
	for _, s := range subjects {
		for _, p := range patterns {
			add("return string.find(%s, %s)", s, p)
			add("return string.match(%s, %s)", s, p)
			add("return string.gsub(%s, %s, '<%%0>')", s, p)
			add("local t = {} for a, b in string.gmatch(%s, %s) do t[#t + 1] = a end return t", s, p)
		}
	}
	for _, v := range []string{"'10'", "'0x1F'", "'1e2'", "' 5 '", "''", "'abc'", "'1.5.2'", "'-3'", "'+3'", "'010'", "'1_000'", "'0b11'", "'inf'", "'nan'", "'.5'", "'5.'", "true", "nil", "{}", "3", "'10', 2", "'ff', 16", "'zz', 36", "'8', 8", "'7', 8", "'0x', 16", "'1e', 10"} {
		add("return tonumber(%s)", v)
	}
	for _, a := range []string{"1", "'1'", "'a'", "1.5", "nil", "true", "{}"} {
		for _, b := range []string{"2", "'2'", "'b'", "nil", "{}"} {
			for _, op := range []string{"+", "-", "*", "/", "%", "^", "..", "==", "~=", "<", "<=", "and", "or"} {
				add("return %s %s %s", a, op, b)
			}
		}
	}
	for _, i := range []string{"", ", 1", ", 2", ", -1", ", -2", ", 0", ", 9", ", 2, 3", ", -3, -2", ", 0, 2", ", 3, 2", ", 2, 99", ", -99, 2", ", 2, -99"} {
		for _, f := range []string{"sub", "byte"} {
			add("return string.%s('hello'%s)", f, i)
		}
		add("return unpack({1, 2, 3}%s)", i)
		add("return table.concat({1, 2, 3}, '-'%s)", i)
		add("return select('#'%s)", i)
		add("return string.find('hello hello', 'l'%s)", i)
	}
	return out
}

var overObject = []string{
	"return obj", "return obj.spec", "return obj.metadata.name", "return obj.none", "return obj.none == nil", "return obj.empty", "return #obj.spec.list", "return obj.spec.list[1], obj.spec.list[2], obj.spec.list[4]",
	"return obj.missing.x", "return obj.metadata.name.x", "return obj.metadata.name:upper()", "return obj.metadata['name'] .. '-' .. obj.metadata.generation", "return obj.spec.replicas + obj.status.ready", "obj.spec.replicas = 5 return obj.spec",
	"obj.metadata.labels.new = 'y' obj.metadata.labels.app = nil return obj.metadata.labels", "local hs = {} for i, c in ipairs(obj.status.conditions) do if c.type == 'Ready' and c.status == 'True' then hs.status = 'Healthy' hs.message = c.message end end return hs",
	"local n = 0 for k, v in pairs(obj.status.conditions) do n = n + k end return n", "for i, c in ipairs(obj.status.conditions) do if c.message then return c.message, i end end", "table.insert(obj.spec.list, 'new') return obj.spec.list", "table.remove(obj.spec.list, 1) return obj.spec.list",
	"obj.spec.list[#obj.spec.list + 1] = {a = 1} return obj.spec.list", "return type(obj), type(obj.spec.paused), type(obj.spec.replicas), type(obj.none)", "obj.x = {} return obj.x", "obj.x = function() end return obj", "return {obj.metadata.name, {n = obj.spec.replicas}}", "return next(obj.empty) == nil, next(obj.no)",
	"if obj.spec.paused then return 1 else return 2 end", "return obj.spec.replicas == 3, obj.spec.replicas == '3', obj.status.ready > 2", "obj = nil return obj", "return obj.status.conditions[1].type, obj.status.conditions[3]", "local function f(t) local n = 0 for _ in pairs(t) do n = n + 1 end return n end return f(obj.metadata), f(obj.empty)",
	"return string.format('%s has %d of %d', obj.metadata.name, obj.status.ready, obj.spec.replicas)", "return {operation = 'patch', resource = obj}", "return {{operation = 'create', resource = {kind = 'Job', metadata = {name = obj.metadata.name .. '-1'}}}, {operation = 'patch', resource = obj}}",
}

var snippets = []string{
	"return ('a b'):find('%f[%w]%w+')", "return ('a'):find('%')", "return ('a'):find('(()')", "return ('a'):find('(%1)')", "return ('ab'):gsub('^a', 'x'), ('aa'):gsub('^a', 'x')", "local t = {} for a in ('aa'):gmatch('^a') do t[#t + 1] = a end return t", "return ('abc'):match('^(a)(b)'), ('abc'):match('c$')",
	"", "return", "return nil", "return 1, 2, 3", "return true, 'x', {}, nil", "return {}", "return {1, 2, 3}", "return {a = 1, b = {c = true}}", "return {1, 2, a = 3}", "return {[1] = 'a', [2] = 'b'}", "return {[0] = 'a'}", "return {[2] = 'b'}", "return {1, nil, 3}", "return {[1.5] = 1}", "return {[true] = 1}", "return {['1'] = 'x'}", "return {1, {2, {3}}}", "local t = {} t.t = t return t", "local t = {1} return {t, t}", "return print", "return function() end", "return coroutine.create(function() end)", "return {f = print}", "return 'é', '\\233', '\\0', '\\n\\t\\\\', '\\65'", "return [[long\nstring]], [==[a]]b]==]", "return #'abc', #'é', #{1, 2, nil}, #''", "return not nil, not 0, not ''",
	"return 1 < 2, 'a' < 'b', 'Z' < 'a', '10' < '9'", "return 1 == 1.0, '1' == 1, nil == false", "return 1 and 2, nil and 1, false or 'd', nil or false", "local a, b = 1 return a, b", "local a, b = (function() return 1, 2 end)() return a, b", "return ((function() return 1, 2 end)())", "local function f(...) return select('#', ...), ... end return f(1, nil, 3)", "local function f(...) local t = {...} return #t end return f(1, 2, 3)", "local function f(...) return arg and arg.n end return f(1, 2)", "return select(2, 'a', 'b', 'c')", "return select(-1, 'a', 'b')", "return select(5, 'a')", "return select(0, 'a')",
	"local s = 0 for i = 1, 10 do s = s + i end return s", "local s = '' for i = 10, 1, -3 do s = s .. i .. ',' end return s", "for i = 1, 0 do return 'never' end return 'done'", "local i = 0 while true do i = i + 1 if i > 5 then break end end return i", "local i = 0 repeat local j = i i = i + 1 until j >= 3 return i", "for i = 1, 3, 0 do return i end", "local t = {} for i = 0.1, 0.35, 0.1 do t[#t + 1] = i end return t", "do local x = 1 end return x", "x = 1 local x = 2 return x, _G.x", "local f f = function(n) if n == 0 then return 1 end return n * f(n - 1) end return f(10), f(20)", "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end return fib(15)", "local function loop(n) if n == 0 then return 'deep' end return loop(n - 1) end return loop(100000)", "local function counter() local n = 0 return function() n = n + 1 return n end end local c = counter() c() return c()",
	"local t = setmetatable({}, {__index = function(t, k) return k .. '!' end}) return t.x, t[1]", "local t = setmetatable({}, {__index = {a = 1}}) return t.a, t.b, rawget(t, 'a')", "local t = setmetatable({}, {__newindex = function(t, k, v) rawset(t, k, v * 2) end}) t.a = 2 return t.a", "local mt = {__add = function(a, b) return 'added' end, __concat = function() return 'cat' end, __eq = function() return true end, __lt = function() return true end, __le = function() return false end, __len = function() return 9 end, __unm = function() return 'neg' end, __call = function(self, x) return x end, __tostring = function() return 'T!' end} local a, b = setmetatable({}, mt), setmetatable({}, mt) return a + 1, a .. 'x', 'x' .. a, a == b, a < b, a <= b, -a, a(5), tostring(a)", "return getmetatable('x').__index == string, getmetatable({})", "local t = setmetatable({}, {__metatable = 'locked'}) return getmetatable(t)", "setmetatable(setmetatable({}, {__metatable = 1}), {})", "local t = setmetatable({}, {__mode = 'k'}) return next(t)",
	"local t = {5, 2, 8, 1} table.sort(t) return t", "local t = {5, 2, 8, 1} table.sort(t, function(a, b) return a > b end) return t", "local t = {'b', 'a', 'C'} table.sort(t) return t", "local t = {3, 'a'} table.sort(t) return t", "local t = {1, 2, 3} table.insert(t, 2, 'x') return t", "local t = {1, 2, 3} return table.remove(t), table.remove(t, 1), t", "local t = {} return table.remove(t)", "local t = {1} table.insert(t, 5, 'x') return #t", "return table.concat({})", "return table.concat({1, 2, {}}, ',')", "return table.concat({'a', 'b', 'c'}, ', ', 2)", "return table.concat({'a', 'b', 'c'}, ', ', 2, 2)", "return table.maxn({1, 2, [10] = 3})", "return table.getn({1, 2})", "local t = {1, 2, 3} t[#t] = nil return #t", "local t = {n = 1} t[1] = 'a' return #t", "return unpack({1, 2, 3}, 2)", "return unpack({1, nil, 3}, 1, 3)", "local t = {10, 20, 30} local s = 0 for i, v in ipairs(t) do s = s + i * v end return s", "local t = {} for k, v in pairs({10, 20, 30}) do t[k] = v end return t", "for k, v in pairs(nil) do end", "for i, v in ipairs(nil) do end", "return next({}), next({5})", "return rawequal({}, {}), rawequal(1, 1)",
	"return string.upper('aé'), ('AbC'):lower(), ('abc'):reverse(), ('ab'):rep(3), ('x'):rep(0), ('x'):rep(-1), ('x'):len()", "return string.char(72, 105), ('A'):byte(), ('abc'):byte(1, -1), ('abc'):byte(10)", "return string.char()", "return ('x'):rep(3, ',')", "return ('a,b,c'):find(',', 1, true), ('a.b'):find('.', 1, true), ('a.b'):find('.', 2, true), ('abc'):find('z')", "return ('abc'):find('b', -1), ('abc'):find('', 10), ('abc'):find('', 4)", "return ('hello'):gsub('l', 'L'), ('hello'):gsub('l', 'L', 1), ('hello'):gsub('(h)(e)', '%2%1'), ('abc'):gsub('', '-')", "return ('hello'):gsub('.', {h = 'H', l = false}), ('hello'):gsub('%w', function(c) if c == 'l' then return 'L' end end)", "return ('hello'):gsub('l', '%%'), ('x'):gsub('x', '%1')", "return ('hello'):gsub('l', '%2')", "return ('x y'):gsub('(%w) (%w)', '%2 %1')", "return ('a=1, b=2'):gsub('(%w+)=(%w+)', '%2=%1')", "local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[k] = v end return t", "return ('  x '):match('^%s*(.-)%s*$')", "return ('2024-05-06'):match('(%d+)-(%d+)-(%d+)')", "return ('key: v'):match('(%w+):%s*(.+)')", "return ('abc'):match('()b()')", "return string.format('%s %s %s', 1, true, nil)", "return string.format('%s', {}) ~= nil", "return string.format('%d', 'x')", "return string.format('%d')", "return string.format('%s')", "return string.format()", "return ('%d items'):format(3)", "return string.format('%5s|%-5s|%05d|%+d|%x|%X|%o|%c|%e|%g', 'a', 'b', 42, 7, 255, 255, 8, 65, 12345.678, 0.0001)", "return string.format('%q', 'a \"b\"\\n\\0')", "return ('x').y, ('x').len", "return #string.format('%99d', 1)",
	"return math.max(1, 5, 3), math.min(2, 0.5), math.abs(-3), math.sqrt(16), math.pow(2, 10), math.fmod(7, 3), math.fmod(-7, 3), math.modf(3.7)", "return math.floor(-3.5), math.ceil(-3.5), math.huge, -math.huge", "return math.huge == 1/0, math.pi > 3.14, math.exp(0), math.log(1), math.log10(1000), math.sin(0), math.cos(0), math.rad(180) == math.pi, math.deg(math.pi)", "return math.frexp(8), math.ldexp(0.5, 4)", "return math.max()", "return math.mod(7, 3)", "return math.floor('3.7')", "return math.floor('x')",
	"error('boom')", "error('boom', 0)", "error('boom', 2)", "error()", "error(nil)", "assert(false)", "assert(nil, 'msg')", "assert(false, {1})", "return assert(1, 2, 3)", "return pcall(error, 'x')", "return pcall(error, 'x', 0)", "return pcall(error, {a = 1})", "return pcall(function() error('in') end)", "return pcall(function() error('in', 0) end)", "return pcall(function() return 1, 2 end)", "return pcall(function(a) return a end, 7)", "return (pcall(function() local x = nil; return x.y end))", "return xpcall(function() error('e', 0) end, function(m) return 'handled ' .. m end)", "return xpcall(function() return 1 end, print)", "return select(2, pcall(error, setmetatable({}, {__tostring = function() return 'custom' end}))) ~= nil", "local ok, e = pcall(function() return 1 + {} end) return ok", "local ok, e = pcall(function() return #5 end) return ok", "local ok, e = pcall(nil) return ok", "return 1 +", "return (", "x = ", "if true then", "for i = 1 do end", "local 1 = 2", "return 'unclosed", "return [[unclosed", "-- only a comment", "--[[ long\ncomment ]] return 1", "return 1 -- trailing", "goto x", "local x <const> = 1", "return 3 // 2", "return 1 & 2", "return 0x1p4", "return 1e", "return 08", "x.y.z = 1", "f()", "local t = {} t.a.b = 1", "local t = {} t:m()", "return nil .. 'x'", "return {} .. 'x'", "return -{}", "return #nil", "return nil()", "return ('x')()", "local a = {} a[nil] = 1", "local a = {} a[0/0] = 1", "return ({})[nil]", "break", "return return",
	"return type(nil), type(1), type('x'), type({}), type(print), type(type)", "return type()", "return tostring(nil), tostring(true), tostring('x'), tostring(12)", "return tostring()", "return tonumber()", "return _VERSION", "return _G._G == _G, _G.tostring == tostring", "return type(string), type(table), type(math), type(os), type(os.time), type(os.date)", "return os.date('!%Y-%m-%dT%H:%M:%SZ', 0), os.date('!%Y-%m-%d', 1700000000), os.date('!%H:%M', 86399)", "return os.date('!%c', 1700000000), os.date('!%x %X %p %A %B %b %a %d %j %y %w %%', 1700000000)", "return os.time({year = 2024, month = 2, day = 29, hour = 12, min = 30, sec = 15})", "return os.time({year = 2024, month = 1, day = 1})", "return os.time({year = 2024, month = 13, day = 32, hour = 25})", "return os.time({year = 2024})", "local t = os.date('!*t', 1700000000) return t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.isdst", "return require('os').date('!%Y', 0)", "return require('nope')", "return (require('string')) == string", "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10) return x, y, coroutine.status(co)", "local f = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) return f(), f(), f()", "return coroutine.running()", "local s = 0 for n in (function() local i = 0 return function() i = i + 1 if i <= 3 then return i end end end)() do s = s + n end return s",
	"local a <close> = nil", "local t = {1, 2, 3; 4, [10] = 5, x = 6,} return #t, t[10], t.x", "return ({10, 20, 30})[2], ({a = {b = 7}}).a.b", "local s = 'x' return s:upper():rep(2):lower()", "return (' %d'):format(5) .. 1 .. 2", "return 1 .. 2", "return '5' + 3, '5' * '2', 10 .. ''", "return 2 ^ 3 ^ 2, -2 ^ 2, not 1 == 2, 1 .. 2 == '12', 'a' .. 'b' == 'ab' and 1 or 2", "return 7 % 3, -7 % 3, 7 % -3, 7.5 % 2, 1 % 0", "return 1 / 0, -1 / 0, 0 / 0 ~= 0 / 0", "return 0.1 + 0.2, 0.1 + 0.2 == 0.3, 1e14 + 0.5", "return 9007199254740993, 2 ^ 53 + 1", "return 1e309", "return 0xff, 0XA, 1e2, .5, 3., 1E-2",
	"local t = {} for w in ('one two  three'):gmatch('%S+') do t[#t + 1] = w end return t", "local parts = {} for p in ('a/b//c'):gmatch('([^/]*)') do parts[#parts + 1] = p end return #parts", "local function split(s, sep) local out = {} for it in (s .. sep):gmatch('(.-)' .. sep) do out[#out + 1] = it end return out end return split('a,b,,c', ',')", "local function deep(t) if type(t) ~= 'table' then return t end local o = {} for k, v in pairs(t) do o[k] = deep(v) end return o end return deep({a = {1, 2, {b = 'c'}}})", "local m = {} m['x-y'] = 1 m[1] = nil return m", "local l = {} l[3] = 'c' l[2] = 'b' l[1] = 'a' return l", "local l = {1, 2, 3} l[2] = nil return l", "local l = {1, 2, 3} l[3] = nil return l", "local t = {} for i = 1, 10 do t[i] = i end for i = 1, 10 do t[i] = nil end return t", "return {''}, {['']=1}, {[' ']=1}",
}
