// Package emit records what libraries give and prints it as a vector file.
package emit

import (
	"encoding/json"
	"fmt"
	"os"
)

// Case is one vector: an operation, its arguments, and what the library gave.
type Case struct {
	Op    string `json:"op"`
	Args  []any  `json:"args"`
	Want  any    `json:"want,omitempty"`
	Error string `json:"error,omitempty"`
}

var cases []Case

// Shared is a value that many cases take as an argument, written once; its place is held by "$shared".
var Shared any

// Errors is "exact" where the texts of errors are compared too; see the field of the file.
var Errors string

// Add records one call; a panic of the library counts as an error.
func Add(op string, f func() (any, error), args ...any) {
	c := Case{Op: op, Args: args}
	func() {
		defer func() {
			if r := recover(); r != nil {
				c.Error = fmt.Sprintf("panic: %v", r)
			}
		}()
		v, err := f()
		if err != nil {
			c.Error = err.Error()
			if c.Error == "" {
				c.Error = "error"
			}
			return
		}
		c.Want = v
	}()
	cases = append(cases, c)
}

// Finish prints the vector file.
func Finish(language, library string) {
	out := os.Stdout
	fmt.Fprintf(out, "{\n\"language\": %q,\n\"library\": %q,\n", language, library)
	if Shared != nil {
		b, err := json.Marshal(Shared)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(out, "\"shared\": %s,\n", b)
	}
	if Errors != "" {
		fmt.Fprintf(out, "\"errors\": %q,\n", Errors)
	}
	fmt.Fprint(out, "\"cases\": [\n")
	for i, c := range cases {
		b, err := json.Marshal(c)
		if err != nil {
			panic(err)
		}
		if i > 0 {
			fmt.Fprint(out, ",\n")
		}
		out.Write(b)
	}
	fmt.Fprint(out, "\n]}\n")
}
