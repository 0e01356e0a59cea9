package main

func tokens()       {}
func certificates() {}
