// Command sallyport is a session border controller: one binary, configured through its REST API.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/sallyport/sallyport/app"
)

// version is set by the linker (-ldflags "-X main.version=1.2.3").
var version = "0.1.0-dev"

const usage = `sallyport is a session border controller, configured through its REST API.

  sallyport serve     run the server (API on 127.0.0.1:8080, data in ./data)
  sallyport demo      run a border with two phones on loopback, place calls through it and show what happened
  sallyport migrate   bring the database to this version's schema and stop
  sallyport version   print the version

sallyport serve -h lists the flags; each is also read from the environment, as in SALLYPORT_DATA_DIR.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sallyport:", err)
		os.Exit(1)
	}
}

// run carries out one subcommand.
func run(ctx context.Context, args, environ []string, out io.Writer) error {
	command := "help"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	var s settings
	switch command {
	case "serve", "migrate", "demo":
		if err := s.parse(command, args, environ, out); errors.Is(err, flag.ErrHelp) {
			return nil
		} else if err != nil {
			return err
		}
		s.options.Version = version
	}
	switch command {
	case "serve":
		return serve(ctx, s.options, out)
	case "demo":
		return demo(ctx, s.options, out)
	case "migrate":
		return app.Migrate(ctx, s.options)
	case "version":
		_, err := fmt.Fprintf(out, "sallyport %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return err
	case "help", "-h", "--help":
		_, err := io.WriteString(out, usage)
		return err
	default:
		return fmt.Errorf("unknown command %q\n\n%s", command, usage)
	}
}

// serve runs the product until the context ends.
func serve(ctx context.Context, o app.Options, out io.Writer) error {
	go keepRoom(ctx)
	a, err := app.Start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "API   %s   (documentation: %s/docs)\n", a.URL(), a.URL())
	if key := a.FirstKey(); key != "" {
		fmt.Fprintf(out, "First API key, shown this once:\n\n    %s\n\n", key)
	}
	<-ctx.Done()
	fmt.Fprintln(out, "stopping: calls are being released")
	return a.Stop(context.Background())
}
