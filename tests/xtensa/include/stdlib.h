// The test programs include it; nothing of it is used on the bare twin.
