package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shown is a test that PITFALLS.md names: folder, function and, where there is one, the words of the case.
var shown = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)(?:/([^`]+))?`")

// unshown is what a row may say of what it has no test for.
var unshown = regexp.MustCompile(`^(issue [4-7]|no issue)(: [^;]+)?(; (issue [4-7]|no issue)(: [^;]+)?)*$`)

// TestPitfalls sees that PITFALLS.md has every row, and that every test it names is there.
func TestPitfalls(t *testing.T) {
	page, err := os.ReadFile("PITFALLS.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.HasPrefix(cells[1], "-") || strings.TrimSpace(cells[1]) == "#" {
			continue
		}
		number, tests, missing := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[3]), strings.TrimSpace(cells[4])
		rows[number] = true
		if tests == "" && missing == "" || missing != "" && !unshown.MatchString(missing) {
			t.Errorf("row %s says neither which test shows it nor which issue will: %q", number, missing)
		}
		if rest := shown.ReplaceAllString(tests, ""); strings.Trim(rest, ", ") != "" {
			t.Errorf("row %s: %q cannot be read", number, rest)
		}
		for _, m := range shown.FindAllStringSubmatch(tests, -1) {
			if err := isThere(m[1], m[2], m[3]); err != nil {
				t.Errorf("row %s: %v", number, err)
			}
		}
	}
	for group, last := range map[string][2]int{"P": {1, 15}, "1.": {1, 15}, "3.": {21, 33}} {
		for n := last[0]; n <= last[1]; n++ {
			if row := fmt.Sprint(group, n); !rows[row] {
				t.Errorf("row %s is missing", row)
			}
		}
	}
	if !rows["P22"] || !rows["P31"] {
		t.Error("the rows of registrations are missing")
	}
}

// isThere looks for a test function in a folder, and for the words of its case in the tests there.
func isThere(folder, function, words string) error {
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		return err
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if filepath.Base(f) != "pitfalls_test.go" {
			all.Write(text)
		}
	}
	switch {
	case !strings.Contains(all.String(), "\nfunc "+function+"("):
		return fmt.Errorf("there is no %s in %s", function, folder)
	case !strings.Contains(all.String(), words):
		return fmt.Errorf("no test of %s has a case %q", folder, words)
	}
	return nil
}
