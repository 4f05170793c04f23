"""What a release is made of and checked by: pins, the bill of materials, the audit."""
