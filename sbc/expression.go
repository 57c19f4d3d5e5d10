package sbc

import (
	"errors"
	"regexp"
	"regexp/syntax"
)

// maxExpression bounds the steps of a compiled expression. What matches numbers and headers needs a few dozen; "x{1000}x{1000}" and
// its like would take megabytes, and milliseconds of each call, for one rule of many.
const maxExpression = 600

// ErrExpression says that an expression is small to read and large to run.
var ErrExpression = errors.New("the expression is too large once its repetitions are written out: at most 600 steps")

// Expression compiles an expression of RE2 that may be matched against what strangers send, as often as they like: the time it takes is
// bounded by its size and the length of the text.
func Expression(s string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if steps(tree, maxExpression) > maxExpression {
		return nil, ErrExpression
	}
	return regexp.Compile(s)
}

// steps tells about how many there are in an expression; beyond most the sum is not gone on with.
func steps(e *syntax.Regexp, most int) int {
	n := 1
	switch e.Op {
	case syntax.OpLiteral:
		return len(e.Rune)
	case syntax.OpCharClass:
		return 1 + len(e.Rune)/64 // a class of Unicode is large, too
	case syntax.OpCapture:
		n = 2
	}
	for _, sub := range e.Sub {
		if n += steps(sub, most); n > most {
			return n
		}
	}
	if e.Op == syntax.OpRepeat {
		n *= max(1, e.Min+1, e.Max)
	}
	return n
}
