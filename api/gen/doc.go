// Package gen is generated from openapi.yaml: the types of its schemas and the interface whose methods are its operations.
// Only this file is written by hand.
package gen

//go:generate go -C ../../tools tool oapi-codegen -config ../api/gen/config.yaml ../openapi.yaml
