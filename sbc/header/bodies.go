package header

import (
	"mime"
	"slices"
	"strings"
)

// Bodies are the types of body that are carried on in INFO and MESSAGE: they hold no addresses.
func Bodies() []string {
	return []string{
		"application/dtmf-relay", "application/dtmf", "application/media_control+xml", "application/vnd.nortelnetworks.digits",
		"text/plain",
		"text/html", "message/imdn+xml", "application/im-iscomposing+xml",
	}
}

// BodyType writes the type of a body that passes anew: of its parameters only the character set, if it is one people use. All
// else is free text of the sender's side.
func BodyType(value string) string {
	kind, params, err := mime.ParseMediaType(value)
	if err != nil {
		return "application/octet-stream" // nobody passes what cannot be read
	}
	if set := strings.ToLower(params["charset"]); slices.Contains(charsets(), set) {
		return kind + ";charset=" + set
	}
	return kind
}

// charsets are the names that pass: any other word could be that of a host.
func charsets() []string {
	return []string{
		"utf-8", "us-ascii", "iso-8859-1", "iso-8859-2", "iso-8859-5", "iso-8859-7", "iso-8859-8", "iso-8859-9", "iso-8859-15",
		"utf-16", "utf-16be", "utf-16le", "windows-1250", "windows-1251", "windows-1252", "windows-1256", "koi8-r", "koi8-u",
		"gb2312", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "iso-2022-jp",
	}
}
