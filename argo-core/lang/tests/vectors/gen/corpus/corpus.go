// Package corpus reads the tests of the libraries themselves: their texts are inputs worth trying.
package corpus

import (
	"go/ast"
	"go/parser"
	"go/token"
	"hash/fnv"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Dir is where the source of a package is.
func Dir(pkg string) string {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(out))
}

// Literals gives the string literals of Go files that the condition keeps, each once, in order.
// The patterns of files are relative to the directory.
func Literals(dir string, keep func(string) bool, patterns ...string) []string {
	var out []string
	seen := map[string]bool{}
	each(dir, patterns, func(n ast.Node) {
		if s, ok := text(n); ok && keep(s) && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	})
	return out
}

// Rows gives, of every call or composite literal that has at least `least` string literals among its own arguments or
// elements (keys left out), those strings.
func Rows(dir string, least int, patterns ...string) [][]string {
	var out [][]string
	each(dir, patterns, func(n ast.Node) {
		var parts []ast.Expr
		switch it := n.(type) {
		case *ast.CallExpr:
			parts = it.Args
		case *ast.CompositeLit:
			parts = it.Elts
		}
		var row []string
		for _, part := range parts {
			if pair, ok := part.(*ast.KeyValueExpr); ok {
				part = pair.Value
			}
			if s, ok := text(part); ok {
				row = append(row, s)
			}
		}
		if len(row) >= least {
			out = append(out, row)
		}
	})
	return out
}

func each(dir string, patterns []string, visit func(ast.Node)) {
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			panic("no files of " + pattern + " in " + dir)
		}
		for _, name := range names {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				panic(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if n != nil {
					visit(n)
				}
				return true
			})
		}
	}
}

// text is the value of a string literal or of several joined by +.
func text(n ast.Node) (string, bool) {
	switch it := n.(type) {
	case *ast.BasicLit:
		if it.Kind == token.STRING {
			s, err := strconv.Unquote(it.Value)
			return s, err == nil
		}
	case *ast.BinaryExpr:
		a, okA := text(it.X)
		b, okB := text(it.Y)
		return a + b, okA && okB && it.Op == token.ADD
	}
	return "", false
}

// Pick says of about one text in so many that it is one of them, always of the same ones.
func Pick(text string, one uint32) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return h.Sum32()%one == 0
}
