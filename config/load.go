package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
)

// Load returns the settings from environ (KEY=VALUE entries, as os.Environ returns) and
// the file at dotenv, which may be missing; environ takes precedence. memory is the
// process's memory limit in bytes, 0 if there is none. The error names every invalid
// variable, one per line, and contains no secret.
func Load(environ []string, dotenv string, memory int64) (Config, error) {
	vars, err := godotenv.Read(dotenv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("%s: %w", dotenv, hideValue(err))
	}
	if vars == nil {
		vars = map[string]string{}
	}
	for _, line := range environ {
		key, value, _ := strings.Cut(line, "=")
		vars[key] = value
	}
	// Treat empty variables as unset: compose files and shells set such.
	maps.DeleteFunc(vars, func(_, value string) bool { return value == "" })

	var p problems
	readSecretFiles(vars, &p)
	var c Config
	addParseErrors(env.ParseWithOptions(&c, env.Options{Environment: vars}), &p)
	if vars["IMAGE_MEMORY_BUDGET"] == "" {
		c.fitMemory(memory)
	}
	c.check(&p)
	if len(p.errs) > 0 {
		return Config{}, errors.Join(p.errs...)
	}
	c.derive()
	return c, nil
}

// hideValue replaces a parser's error that quotes a line of the file, which may hold a
// secret.
func hideValue(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return errors.New("not a file of KEY=VALUE lines")
}

// readSecretFiles reads each secret for which NAME_FILE is set from that file.
func readSecretFiles(vars map[string]string, p *problems) {
	for _, f := range fields() {
		path := vars[f.name+"_FILE"]
		if !f.secret || path == "" {
			continue
		}
		if vars[f.name] != "" {
			p.add(f.name+"_FILE", fmt.Errorf("%s is set too; set only one of the two", f.name))
			continue
		}
		content, err := os.ReadFile(path) //nolint:gosec // the operator chooses the file
		if err != nil {
			p.add(f.name+"_FILE", err)
			continue
		}
		vars[f.name] = strings.TrimRight(string(content), "\r\n")
	}
}

// addParseErrors adds the parser's errors under the names of their variables. The parser
// names Go fields instead.
func addParseErrors(err error, p *problems) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		p.add("environment", err)
		return
	}
	for _, e := range all.Errors {
		var parse env.ParseError
		if !errors.As(e, &parse) {
			p.add("environment", e)
			continue
		}
		f, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
		p.add(f.Tag.Get("env"), plainer(parse.Err))
	}
}

// plainer rewords a parser's error for operators.
func plainer(err error) error {
	var num *strconv.NumError
	if !errors.As(err, &num) {
		return err
	}
	kind := "a whole number"
	if num.Func == "ParseBool" {
		kind = "true or false"
	}
	return fmt.Errorf("%q is not %s", num.Num, kind)
}
